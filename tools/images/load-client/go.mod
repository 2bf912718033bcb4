module appstack.dev/images/load-client

go 1.26.0
