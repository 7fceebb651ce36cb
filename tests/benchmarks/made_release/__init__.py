"""A release of upstream shape and size, made from the project's own prose, with every known defect planted and recorded."""
