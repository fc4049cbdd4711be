"""What leaves the process for people's eyes: tables, the progress bar, text that is safe to print."""
