"""The API server: requests, responses, credentials, and limits on requests in flight."""
