"""Raw files of every form to records of text: found, cut into blocks, parsed in workers."""
