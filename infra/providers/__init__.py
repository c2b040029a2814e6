"""One module or package a cloud; `infra.providers.clouds` imports only the one that a stack names."""
