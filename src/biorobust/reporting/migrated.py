"""The claims of runs that were recorded while all claims stood in one claims.yaml, as they are hashed now."""

from __future__ import annotations

from collections.abc import Mapping

# SHA-256 of a claims.yaml -> study -> SHA-256 of its claims, written out by the reader of the commit of the recording.
OF_CLAIMS_YAML: Mapping[str, Mapping[str, str]] = {
    "fa4b90f604deb67b920955f577ac1efd774676cfe916d82a7cb6a86555b1974b": {  # cnnf-cpu
        "cnnf": "7d4e360fc1f98ab743ec002886f81b0e4f983a1d879d814c7efa3bc4bc46a66e",
    },
    "ff705240bfa79ee4e6c37b39e37d2afd59369b6fc6161c6106ba00a8f697670c": {  # vonenet-cpu
        "vonenet": "05529a0aab6fa81e4a4d9b2a4dfc55a58fc6547439a0e01e6d7d8667e13ac6f8",
    },
    "bc5423aa65a90d226a9cddeaa075bd2907f452d758bd41bb84aa72f661deed6c": {  # kwta-cpu-long
        "kwta": "9020c5311f332ae4e65934fcb92720c4bfb9b43356bce677f116e74ecde209d1",
    },
    "d778427b539b297135c97120fccdacde6f3e1e232e64b541ae754e78890281e4": {  # the last claims.yaml
        "hebbian": "7f002ffce010f781df06a5b8e9271276c7429223df4e47c15fe48a5b21e095bc",
        "cnnf": "b9aa6a7cb8848ccd92ecd4ee38561bf65574fbc1658061ad77d289bd755ce392",
        "kwta": "4cb223ca477ad95b3feca9f7138b765a82b697dfbb5c69b6d45d71a37e95cf70",
        "vonenet": "7471a3786ad03b7409c4b1011f4b35afe81446a526c755ed0aba744144b303e1",
    },
}
