"""What runs in the process of a source: one file per kind of source. Light imports: there are as many processes as cameras."""
