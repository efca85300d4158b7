"""What cameras, clients and long runs cost."""
