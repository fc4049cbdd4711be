"""Files on disk: looked at before they are read, hashed once, cached, locked; and threads that read them."""
