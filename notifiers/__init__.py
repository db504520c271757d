"""What people see: Slack messages and mails, rendered from a Notice and delivered; no state, no database."""
