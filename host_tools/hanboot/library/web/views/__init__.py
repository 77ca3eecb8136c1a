"""The pages, by what they are about. Importing a module registers its routes."""
