# shellcheck shell=bash
# An authority for certificates, and the certificate of a cluster's nodes. Keys live as long as the cluster.
#
# Whoever sources this may set CERTIFICATE_DAYS, and CERTIFICATE_NAMES to further names of the nodes (DNS:a,DNS:b).

# make_authority NAME: NAME.pem and NAME.key in the folder TLS.
make_authority() {
    command -v openssl >/dev/null || die "openssl is missing: it makes the certificates of --secure"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=ipowdm test authority $1" -days "${CERTIFICATE_DAYS:-2}" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
        -keyout "$TLS/$1.key" -out "$TLS/$1.pem" 2>/dev/null
}

# make_certificate NAME AUTHORITY: NAME-keystore.pem in the folder TLS, a key and its certificate for the loopback interface.
# The subject is the same each time: a running broker takes no other.
make_certificate() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=node" \
        -keyout "$TLS/$1.key" -out "$TLS/$1.csr" 2>/dev/null
    openssl x509 -req -in "$TLS/$1.csr" -CA "$TLS/$2.pem" -CAkey "$TLS/$2.key" -CAcreateserial -days "${CERTIFICATE_DAYS:-2}" \
        -extfile <(printf 'subjectAltName=IP:127.0.0.1,DNS:localhost%s\n' "${CERTIFICATE_NAMES:+,$CERTIFICATE_NAMES}") -out "$TLS/$1.pem" 2>/dev/null
    cat "$TLS/$1.key" "$TLS/$1.pem" >"$TLS/$1-keystore.pem"
}
