"""The bytes of files: sent from a folder, redirected to GitHub, or passed through."""
