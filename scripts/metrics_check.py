"""What /metrics of a service answers, as prometheus_client reads OpenMetrics.

    metrics_check.py SERVICE URL        SERVICE is controller, linkdb or slice-manager

Exit code 1 where the text cannot be parsed, a figure is no finite number, or a family is missing that a service must have.
"""

import math
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

EVERY = {
    "ipowdm_build": "info",
    "ipowdm_http_requests": "counter",
    "ipowdm_http_request_duration_seconds": "histogram",
    "ipowdm_http_requests_in_flight": "gauge",
    "ipowdm_store_transactions": "counter",
    "ipowdm_store_conflicts": "counter",
    "ipowdm_outbox_messages": "counter",
    "ipowdm_outbox_waiting": "gauge",
}
FAMILIES = {
    "controller": {
        "ipowdm_setup_control_plane_seconds": "histogram",
        "ipowdm_setup_module_seconds": "histogram",
        "ipowdm_connections": "gauge",
        "ipowdm_operations": "counter",
        "ipowdm_operations_running": "gauge",
        "ipowdm_commands": "counter",
        "ipowdm_acks": "counter",
        "ipowdm_telemetry_samples": "counter",
        "ipowdm_qot_episodes": "counter",
        "ipowdm_qot_episodes_open": "gauge",
        "ipowdm_qot_steps": "counter",
        "ipowdm_qot_alarms": "counter",
        "ipowdm_agents": "gauge",
        "ipowdm_bus_up": "gauge",
        "ipowdm_bus_lag_records": "gauge",
        "ipowdm_controller_commands": "gauge",
    },
    "linkdb": {"ipowdm_links": "gauge", "ipowdm_spectrum_used_slots": "gauge", "ipowdm_watches": "gauge"},
    "slice-manager": {"ipowdm_virtual_operators": "gauge"},
}
# What must have counted something where connections were set up.
COUNTED = {
    "controller": ["ipowdm_setup_control_plane_seconds_count", "ipowdm_setup_module_seconds_count", "ipowdm_acks_total"]
}


def main(service, url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        content_type = answer.headers["content-type"]
        text = answer.read().decode("utf-8")
    findings = []
    if not content_type.startswith("application/openmetrics-text"):
        findings.append(f"the content type is {content_type}")
    families = {}
    samples = {}
    try:
        for family in text_string_to_metric_families(text):
            families[family.name] = family.type
            for sample in family.samples:
                samples[sample.name] = samples.get(sample.name, 0) + sample.value
                if not math.isfinite(sample.value):
                    findings.append(f"{sample.name} is {sample.value}")
    except ValueError as error:
        findings.append(f"the text cannot be parsed: {error}")
    for name, kind in {**EVERY, **FAMILIES[service]}.items():
        if families.get(name) != kind:
            findings.append(f"{name} is {families.get(name, 'missing')}, not a {kind}")
    for name in COUNTED.get(service, []):
        if not samples.get(name):
            findings.append(f"{name} counted nothing")
    for finding in findings:
        print(f"FOUND {service}: {finding}")
    print(f"{len(families)} families, {len(text)} bytes")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
