"""The source of the dashboards: `parts` holds what they share, every other file one dashboard."""
