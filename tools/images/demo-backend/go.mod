module appstack.dev/images/demo-backend

go 1.26.0
