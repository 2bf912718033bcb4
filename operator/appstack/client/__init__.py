"""Client of the API server: requests, responses, credentials, and the limit on requests in flight."""
