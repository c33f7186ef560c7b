"""People as judges: pages that ask them about pictures, blind, and what their answers say."""
