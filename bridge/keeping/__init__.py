"""What has to be done now and then for a database to be kept for years; each job is a module."""
