"""Filters for Chinese web text: which documents and lines are not worth training on."""
