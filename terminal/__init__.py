"""What people see on a terminal: tables, progress, and text that cannot steer it. Knows no system."""
