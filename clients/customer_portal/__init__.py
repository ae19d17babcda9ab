"""The customer portal: tiles by permission, as the signed ID token allows."""
