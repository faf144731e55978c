"""What FastAPI routes: uploads, the page for people, webhooks."""
