//! ipowdm-agent: see README.md.
