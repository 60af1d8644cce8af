//! Physical quantities as the floats of the wire.

use crate::units::{Ber, Db, Power, Temperature, Voltage};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! optional {
    ($module:ident, $type:ty, $to:expr, $from:expr) => {
        pub(super) mod $module {
            use super::*;

            #[expect(clippy::ref_option, reason = "the signature serde asks for")]
            pub(in crate::msg) fn serialize<S: Serializer>(
                value: &Option<$type>,
                s: S,
            ) -> Result<S::Ok, S::Error> {
                value.map($to).serialize(s)
            }

            pub(in crate::msg) fn deserialize<'de, D: Deserializer<'de>>(
                d: D,
            ) -> Result<Option<$type>, D::Error> {
                Option::<f64>::deserialize(d)?.map($from).transpose().map_err(serde::de::Error::custom)
            }
        }
    };
}

optional!(power, Power, Power::value, Power::from_number);
optional!(db, Db, Db::value, Db::from_number);
optional!(ber, Ber, Ber::value, Ber::from_number);
optional!(temperature, Temperature, Temperature::celsius, |celsius: f64| {
    Db::from_number(celsius).map(|hundredths| {
        // Hundredths and 1/256 both fit: ±127 °C is the register's range, ±327 the parser's.
        let raw =
            (i32::from(hundredths.hundredths()) * 256 / 100).clamp(i32::from(i16::MIN), i32::from(i16::MAX));
        Temperature::from_raw(i16::try_from(raw).unwrap_or_default())
    })
});
optional!(voltage, Voltage, Voltage::volts, |volts: f64| {
    if (0.0..=6.5535).contains(&volts) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "range checked on the line above"
        )]
        let raw = (volts * 10_000.0 + 0.5) as u16;
        Ok(Voltage::from_raw(raw))
    } else {
        Err("voltage is outside 0..=6.5535 V")
    }
});
