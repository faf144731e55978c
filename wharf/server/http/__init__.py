"""HTTP beneath the pages: connections, requests and answers, each with its bounds."""
