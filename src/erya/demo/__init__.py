"""The whole story on data that ships with an installed package."""
