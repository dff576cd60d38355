"""What every station may use: files, folders, threads, compiled code, distances, numbers for
people."""
