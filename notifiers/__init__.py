"""The notification channels, Slack and mail: they render a Notice and deliver it. No state, no database."""
