"""Configuration as code: documents to models, their difference to what is stored, and back. Pure."""
