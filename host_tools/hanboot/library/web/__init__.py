"""The library in a browser: server-rendered pages that work without JavaScript."""
