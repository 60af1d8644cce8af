//! Images of modules as JSON.

use super::Image;
use crate::transport::line_protocol::from_hex;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::string::{String, ToString};

/// Most bytes of an image file: 256 pages in four banks are a fifth of it.
pub const MAX_IMAGE: u64 = 2 << 20;
/// Bytes of the lower memory, and of a page.
const HALF: usize = 128;

/// Why a file is not an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is longer than [`MAX_IMAGE`].
    #[error("longer than {MAX_IMAGE} bytes")]
    TooLong,
    /// The file is not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The document or one of its members has another form.
    #[error("{member} is not {expected}")]
    Form {
        /// The member.
        member: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A half of the window is not of 128 bytes.
    #[error("{member} has {digits} hexadecimal digits, not 256")]
    Length {
        /// The member.
        member: String,
        /// Its digits.
        digits: usize,
    },
    /// A half of the window has characters that are no hexadecimal digits.
    #[error("{member} has characters that are no hexadecimal digits")]
    Hex {
        /// The member.
        member: String,
    },
    /// A key of `pages` is not a page number, or occurs twice.
    #[error("'{0:.32}' is not a page number of two hexadecimal digits, or is there twice")]
    Page(String),
}

impl Image {
    /// Reads an image file.
    ///
    /// The format is `{"lower": "<256 hex digits>", "pages": {"00": "<256 hex digits>", …}}`: bytes 0-127, and bytes 128-255
    /// of pages in bank 0. Other members (`name`, `source`, `note` …) are left alone.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let mut text = String::new();
        File::open(path)?.take(MAX_IMAGE + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_IMAGE {
            return Err(ImageError::TooLong);
        }
        Self::from_json(&text)
    }

    /// Reads an image from its JSON text, see [`Image::open`].
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn from_json(text: &str) -> Result<Self, ImageError> {
        let document: Value = serde_json::from_str(text)?;
        let form = |member: &str, expected| ImageError::Form { member: member.to_string(), expected };
        let document: &Map<String, Value> =
            document.as_object().ok_or_else(|| form("the document", "an object"))?;
        let lower = document.get("lower").ok_or_else(|| form("lower", "there"))?;
        let mut image = Self::new(half("lower", lower)?);
        let pages = document.get("pages").ok_or_else(|| form("pages", "there"))?;
        let pages = pages.as_object().ok_or_else(|| form("pages", "an object"))?;
        for (key, value) in pages {
            let digits = key.len() == 2 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
            let page = digits.then(|| u8::from_str_radix(key, 16).ok()).flatten();
            let page = page.filter(|page| !image.has_page(0, *page));
            let page = page.ok_or_else(|| ImageError::Page(key.clone()))?;
            image.put_page(0, page, half(&std::format!("page {key}"), value)?);
        }
        Ok(image)
    }
}

fn half(member: &str, value: &Value) -> Result<[u8; HALF], ImageError> {
    let member = || member.to_string();
    let digits =
        value.as_str().ok_or_else(|| ImageError::Form { member: member(), expected: "hexadecimal text" })?;
    if digits.len() != 2 * HALF {
        return Err(ImageError::Length { member: member(), digits: digits.chars().count() });
    }
    let bytes = from_hex(digits).map_err(|_| ImageError::Hex { member: member() })?;
    <[u8; HALF]>::try_from(bytes).map_err(|_| ImageError::Hex { member: member() })
}

#[cfg(test)]
mod tests;
