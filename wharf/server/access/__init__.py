"""Who may read and who may upload."""
