"""What every command shows and writes alike: files, tables, figures."""
