//! ipowdm-cmis: see README.md.
