"""What people may do, as typed commands and queries; no other room that people touch touches the store."""
