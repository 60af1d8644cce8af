//! Images of modules as JSON.

use super::Image;
use crate::transport::line_protocol::from_hex;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::string::{String, ToString};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::vec::Vec;

/// Most bytes of an image file: 256 pages in four banks are a fifth of it.
pub const MAX_IMAGE: u64 = 2 << 20;
/// How long a pipe or a device may take to bring an image; files are not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the lower memory, and of a page.
const HALF: usize = 128;

/// Why a file is not an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A pipe or a device that has not come to its end within ten seconds.
    #[error("not a file, and its end did not come within {} s", PATIENCE.as_secs())]
    TooSlow,
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
    /// A member is there twice; which one is meant nobody knows.
    #[error("'{0:.32}' is there twice")]
    Twice(String),
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
        let text = if fs::metadata(path)?.is_file() { read(path)? } else { read_in_time(path, PATIENCE)? };
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
        let form = |member: &str, expected| ImageError::Form { member: member.to_string(), expected };
        let Json::Members(document) = serde_json::from_str(text)? else {
            return Err(form("the document", "an object"));
        };
        let member = |name: &str| {
            let mut named = document.iter().filter(|(key, _)| key == name);
            match (named.next(), named.next()) {
                (Some((_, value)), None) => Ok(value),
                (None, _) => Err(form(name, "there")),
                (Some(_), Some(_)) => Err(ImageError::Twice(name.to_string())),
            }
        };
        let mut image = Self::new(half("lower", member("lower")?)?);
        let Json::Members(pages) = member("pages")? else { return Err(form("pages", "an object")) };
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

/// The beginning of a file, one byte more than the limit at most.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_IMAGE + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// As [`read`], given up after `patience`: opening a pipe that nobody writes to lasts for ever. The thread that does so
/// stays behind then.
fn read_in_time(path: &Path, patience: Duration) -> Result<String, ImageError> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_path_buf();
    thread::spawn(move || sender.send(read(&path)));
    match receiver.recv_timeout(patience) {
        Ok(text) => Ok(text?),
        Err(_) => Err(ImageError::TooSlow),
    }
}

/// As much of a JSON value as an image is made of. Members are kept as they come, so that one that is there twice is seen.
enum Json {
    Members(Vec<(String, Self)>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Members(members))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Json::Other)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_string()))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn half(member: &str, value: &Json) -> Result<[u8; HALF], ImageError> {
    let member = || member.to_string();
    let Json::Text(digits) = value else {
        return Err(ImageError::Form { member: member(), expected: "hexadecimal text" });
    };
    if digits.len() != 2 * HALF {
        return Err(ImageError::Length { member: member(), digits: digits.chars().count() });
    }
    let bytes = from_hex(digits).map_err(|_| ImageError::Hex { member: member() })?;
    <[u8; HALF]>::try_from(bytes).map_err(|_| ImageError::Hex { member: member() })
}

#[cfg(test)]
mod tests;
