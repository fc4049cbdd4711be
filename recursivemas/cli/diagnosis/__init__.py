"""What `recursivemas doctor` looks at, part by part."""
