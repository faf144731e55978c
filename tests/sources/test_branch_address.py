"""Which addresses of upstreams count where a branch names them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.sources.branch_address import refusal

PUBLIC = [
    *("https://mirror.example.com/simple/", "https://mirror.example.com/simple", "https://Mirror.Example.COM/", "https://a.b"),
    *("https://mirror.example.com:443/simple/", "https://xn--bcher-kva.example/", "https://a.example/x/%2e%2e/y/"),
    *("https://8.8.8.8/simple/", "https://[2606:4700::1111]/simple/", "https://local.example.com/", "https://10.example.com/"),
]
NOT_PUBLIC = [
    *("http://mirror.example.com/simple/", "http://mirror.example.com:443/", "https://mirror.example.com:8443/simple/"),
    *(
        "https://mirror.example.com:80/",
        "https://mirror/simple/",
        "https://localhost/",
        "https://LocalHost/",
        "https://a.localhost/",
    ),
    *("https://nas.local/", "https://metadata.google.internal/", "https://a.INTERNAL/", "https://a.home.arpa/", "/srv/wheels"),
    *("https://127.0.0.1/", "https://10.0.0.8/", "https://169.254.169.254/latest/", "https://100.64.0.1/", "https://0.0.0.0/"),
    *("https://192.168.1.1/", "https://224.0.0.1/", "https://255.255.255.255/", "https://[::1]/", "https://[::]/"),
    *("https://2130706433/", "https://0177.0.0.1/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.0.0.1/"),
    *(
        "https://127.1/",
        "https://127.0.1/",
        "https://0/",
        "https://0x/",
        "https://8.8.2056/",
        "https://08.8.8.8/",
        "https://a.1/",
    ),
    *("https://a.0x7f/", "https://1.2.3.4.5/", "https://256.1.1.1/"),
    *("https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/"),
    *("https://[fe80::1]/", "https://[fd00::1]/", "https://[ff02::1]/"),
]
NO_ADDRESSES = [
    *("", " ", "x", "mirror.example.com", "//mirror.example.com/", "ftp://mirror.example.com/", "HTTPS://mirror.example.com/"),
    *(
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:,x",
        "https:mirror.example.com",
        "https:/mirror.example.com/",
        "https://",
    ),
    *("https:///simple/", "https://u:p@mirror.example.com/", "https://u@mirror.example.com/", "https://@mirror.example.com/"),
    *(
        "https://mirror.example.com@127.0.0.1/",
        "https://127.0.0.1\\@mirror.example.com/",
        "https://mirror.example.com\\@127.0.0.1/",
    ),
    *(
        "https://127.0.0.1#@mirror.example.com/",
        "https://127.0.0.1?@mirror.example.com/",
        "https://mirror.example.com:80@127.0.0.1/",
    ),
    *(
        "https://mirror.example.com\\/",
        "https:\\\\mirror.example.com\\",
        "https://mirror.example.com/\\..\\",
        "\\\\mirror\\share",
    ),
    *(
        "https://mirror.example.com./",
        "https://localhost./",
        "https://127.0.0.1./",
        "https://mirror..example.com/",
        "https://./",
    ),
    *("https://mirror.example.com:/", "https://mirror.example.com:0/", "https://mirror.example.com:0443/", "https://a.b:+443/"),
    *("https://a.b:65536/", "https://a.b:443:80/", "https://a.b:\uff14\uff14\uff13/", "https://a.b:443 /"),
    *(
        "https://bücher.example/",
        "https://\uff45xample.com/",
        "https://example。com/",
        "https://loc\u00adalhost/",
        "https://①②⑦.0.0.1/",
    ),
    *("https://mirror%2eexample.com/", "https://%6cocalhost/", "https://127.0.0.1%2f.example.com/", "https://[::1%25eth0]/"),
    *(
        "https://mirror.example.com\t/",
        "https://mirror\t.example.com/",
        "\thttps://mirror.example.com/",
        "https://mirror.example.com/\n",
    ),
    *(
        "https://mirror.example.com/\r\nhost: x",
        "ht\ntps://mirror.example.com/",
        "https://mirror.example.com/ ",
        "https://a.b/\0",
    ),
    *(
        "https://mirror.example.com/?q=1",
        "https://mirror.example.com/#f",
        "https://mirror.example.com/simple/?",
        "https://a.b/;x#",
    ),
    *(
        "https://[::1",
        "https://::1/",
        "https://[::1]]/",
        "https://[1:2]/",
        "https://[v1.x]/",
        "https://[127.0.0.1]/",
        "https://-a.b/",
    ),
    *(
        "https://" + "a" * 64 + ".example/",
        "https://a.b/" + "x" * 251,
        "https://a.b" + "/x" * 31,
        "./wheels",
        "~/wheels",
        "//srv/wheels",
    ),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_branch_on_github_may_name_a_public_address(address: str) -> None:
    assert refusal(address, on_github=True) is None


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_another_address_counts_in_a_folder_or_where_the_operator_lists_it(address: str) -> None:
    assert refusal(address, on_github=True)
    assert refusal(address, on_github=False) is None


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_counts_nowhere(address: str) -> None:
    assert refusal(address, on_github=False)
    assert refusal(address, on_github=True, listed=[address])


def test_the_very_address_has_to_be_listed() -> None:
    listed = ["https://mirror.corp:8443/simple/"]
    assert refusal("https://Mirror.corp:8443/simple", on_github=True, listed=listed) is None
    for other in ("https://mirror.corp:8443/", "https://mirror.corp:8443/simple/x/", "http://mirror.corp:8443/simple/"):
        assert refusal(other, on_github=True, listed=listed)
    for other in ("https://mirror.corp/simple/", "https://mirror.corp:8443/simple/../", "https://mirror.corp:8443/Simple/"):
        assert refusal(other, on_github=True, listed=listed)


@given(st.text(alphabet=st.sampled_from("ahtps:/[]@.%01x2?#\\ \tü"), max_size=24))
def test_any_text_is_answered(text: str) -> None:
    for address in (text, f"https://{text}", f"https://{text}.example.com/"):
        if refusal(address, on_github=True) is None:
            assert address.startswith("https://")
            assert not set(address) & set("@\\?# \tü")
