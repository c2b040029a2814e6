"""What a tenant leaves in a cell, sealed under that tenant's own key, so that it ends when the key ends."""
