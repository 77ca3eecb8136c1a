"""The library from elsewhere: by its API, trusted with nothing but to be asked.

`connection` is HTTP, `remote` the questions, `fetch` how an image is taken and checked. None of it
needs the library's own packages.
"""
