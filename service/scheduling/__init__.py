"""Who may enter, who is next, and how long that takes."""
