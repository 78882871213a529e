"""Every reader of files and of bytes from the network, fed with damaged forms of what it expects."""
