"""Who uses the library: passwords, second factor, invitations, sessions, tokens, lock-out."""
