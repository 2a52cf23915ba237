"""Programs that write parts of the documentation: tables, pictures, the timeline."""
