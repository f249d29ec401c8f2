"""What a person asks of the installation itself: is it sound, which releases are there, and how the shell completes its commands."""
