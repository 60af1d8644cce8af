//! ipowdm-ctl-lib: see README.md.
