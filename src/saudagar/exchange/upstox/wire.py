"""The protobuf messages of Upstox's market feed V3, as the SDK 2.30.0 carries them.

Built from our own table in a pool of their own, so that they never clash with the SDK's classes when both live in one
process (the tests). Called by the feed of the Upstox face.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

PACKAGE = "com.upstox.marketdatafeederv3udapi.rpc.proto"

# Message -> its fields in the order of their numbers, 1, 2, 3, …
_MESSAGES = {
    "LTPC": "double ltp, int64 ltt, int64 ltq, double cp, google.protobuf.DoubleValue iep",
    "MarketLevel": "repeated Quote bidAskQuote",
    "MarketOHLC": "repeated OHLC ohlc",
    "Quote": "int64 bidQ, double bidP, int64 askQ, double askP",
    "OptionGreeks": "double delta, double theta, double gamma, double vega, double rho",
    "OHLC": "string interval, double open, double high, double low, double close, int64 vol, int64 ts",
    "MarketFullFeed": "LTPC ltpc, MarketLevel marketLevel, OptionGreeks optionGreeks, MarketOHLC marketOHLC, "
    "double atp, int64 vtt, double oi, double iv, double tbq, double tsq, double iep, double rp, int64 ieq, "
    "int64 iiqTotal, int64 iiqM, bool casEligible",
    "IndexFullFeed": "LTPC ltpc, MarketOHLC marketOHLC",
    "FullFeed": "MarketFullFeed marketFF, IndexFullFeed indexFF",
    "FirstLevelWithGreeks": "LTPC ltpc, Quote firstDepth, OptionGreeks optionGreeks, int64 vtt, double oi, double iv",
    "Feed": "LTPC ltpc, FullFeed fullFeed, FirstLevelWithGreeks firstLevelWithGreeks, RequestMode requestMode",
    "StatusInfo": "string status, int64 updatedTime",
    "MarketInfo": "map MarketStatus segmentStatus, map StatusInfo casMarketStatus, map StatusInfo preOpenSessionStatus",
    "FeedResponse": "Type type, map Feed feeds, int64 currentTs, MarketInfo marketInfo",
}
_ENUMS = {
    "Type": "initial_feed live_feed market_info",
    "RequestMode": "ltpc full_d5 option_greeks full_d30",
    "MarketStatus": "PRE_OPEN_START PRE_OPEN_END NORMAL_OPEN NORMAL_CLOSE CLOSING_START CLOSING_END",
}
_ONE_OF = {"FullFeed": ("FullFeedUnion", 2), "Feed": ("FeedUnion", 3)}  # name, how many of the first fields

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
}


def file_descriptor() -> Any:
    """The whole schema as a `FileDescriptorProto`."""
    file = descriptor_pb2.FileDescriptorProto(
        name="MarketDataFeedV3.proto",
        package=PACKAGE,
        dependency=["google/protobuf/wrappers.proto"],
        syntax="proto3",
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        union, members = _ONE_OF.get(name, ("", 0))
        for number, text in enumerate(fields.split(", "), 1):
            field = _add_field(message, number, text)
            if number <= members:
                field.oneof_index = 0
        if union:
            message.oneof_decl.add(name=union)
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values.split()):
            enum.value.add(name=value, number=number)
    return file


def _add_field(message: Any, number: int, text: str) -> Any:
    *labels, kind, name = text.split()
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if labels == ["map"]:
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        _add_field(entry, 1, "string key")
        _add_field(entry, 2, f"{kind} value")
        kind = f"{message.name}.{entry.name}"
        labels = ["repeated"]
    if labels:
        field.label = _Field.LABEL_REPEATED
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _Field.TYPE_ENUM if kind in _ENUMS else _Field.TYPE_MESSAGE
        field.type_name = f".{kind}" if "." in kind and kind.startswith("google") else f".{PACKAGE}.{kind}"
    return field


@cache
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file_descriptor())
    return pool


@cache
def message(name: str) -> Any:
    """The class of message `name`, e.g. ``FeedResponse``."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def enum_value(enum: str, name: str) -> int:
    """The number of `name` in `enum`, e.g. ``enum_value("Type", "live_feed")``."""
    return _ENUMS[enum].split().index(name)


def varint(value: int) -> bytes:
    """`value` as a protobuf varint; negative numbers take ten bytes (64-bit two's complement)."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
