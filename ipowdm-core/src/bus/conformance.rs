//! What every implementation of [`super::Bus`] must do; run by the tests of each.
