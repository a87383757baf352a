#!/usr/bin/env python3
"""Write chat_template_cases.json: chat templates, what they are given, and what transformers renders.

    now          the time that strftime_now() formats in every case
    messages     name -> list of messages
    tools        name -> list of tools
    cases        name, template, the names of its messages and tools (or null), variables (all else that the template is
                 given: bos_token, eos_token, add_generation_prompt, ...), and either
                 expected   the rendered text, or
                 error      {"kind": ..., "message": ...}; kind is `raised` (the template called raise_exception),
                            `undefined` (use of an undefined value), `runtime` or `syntax`. Only for `raised` is the
                            message to be reproduced; for the others it is what jinja2 says.

`smollm2/...` is the template of that model, `format/...` are whole templates written for this test with what templates of
well-known models need of Jinja, and the other cases take one construct each. The environment is the one of transformers:
immutable sandbox, trim_blocks, lstrip_blocks, loopcontrols, the `generation` tag, and its own `tojson` (no HTML escapes,
not ASCII only, separators of json.dumps). `messages` and `tools` are always given, tools as none where a case has no
tools. Objects keep the order of their keys.

Usage: make_chat_template_cases.py MODEL.gguf [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import datetime
import json
import pathlib
import sys

import gguf
import jinja2
from transformers.utils.chat_template_utils import _compile_jinja_template as compile_template

NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)

MESSAGES = {
    "user": [{"role": "user", "content": "Hi"}],
    "padded": [{"role": "user", "content": "  \n Hi there\t\n "}, {"role": "assistant", "content": " Hello! \n"}],
    "system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 1 < 2 & \"why\"?"}],
    "turns": [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": "Arr, a pirate."},
        {"role": "user", "content": "And your ship?"},
        {"role": "assistant", "content": "The Salty\nBarnacle."},
        {"role": "user", "content": "Where to?"},
    ],
    "no_system": [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ],
    "twice": [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}],
    "assistant_first": [{"role": "assistant", "content": "Welcome"}, {"role": "user", "content": "Hi"}],
    "unicode": [{"role": "user", "content": "Gr\u00fc\u00dfe, \u4e16\u754c \U0001f600 <b>'x'</b> \u2028 \u0007"}],
    "empty": [],
    "empty_content": [{"role": "user", "content": ""}],
    "parts": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look: "}, {"type": "image"}, {"type": "text", "text": "what is it?"}],
        }
    ],
    "thinking": [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "<think>\nadd them\n</think>\n\n4"},
        {"role": "user", "content": "3+3?"},
        {"role": "assistant", "content": "<think>\nagain\n</think>\n\n6"},
    ],
    "tool_use": [
        {"role": "user", "content": "Weather in K\u00f6ln?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call00001",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": {"city": "K\u00f6ln", "days": 2, "metric": True}},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": "{\"temp\": 21.5}"},
        {"role": "assistant", "content": "It is 21.5 degrees."},
        {"role": "user", "content": "Thanks"},
    ],
    "two_results": [
        {"role": "user", "content": "Both?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}},
                {"type": "function", "function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "one"},
        {"role": "tool", "content": "two"},
    ],
}

TOOLS = {
    "weather": [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Forecast for a city's next <days> \u2014 in \u00b0C",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {"type": "string", "description": "Name of the city"},
                        "days": {"type": "integer", "default": 1},
                        "unit": {"type": "string", "enum": ["C", "F"]},
                    },
                    "required": ["city"],
                },
            },
        }
    ],
}

PROMPT = {"add_generation_prompt": True}
LLAMA = {"bos_token": "<s>", "eos_token": "</s>"}

# ----- whole templates ----------------------------------------------------------------------------------------------
# The markers and words are invented; what is taken from the templates of real models is which parts of Jinja they use
# and how they use them together.

# ChatML at its plainest, every statement with minus signs.
CHATML = r"""{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' -}}
{%- endif -%}"""

# A default system message, indented statements, lstrip and trim at work instead of minus signs.
LABELS = r"""{% if messages[0].role == 'system' %}
    {% set system = messages[0].content %}
    {% set rest = messages[1:] %}
{% else %}
    {% set system = "You answer questions." %}
    {% set rest = messages %}
{% endif %}
[system]
{{ system }}{{ eos_token }}
{% for message in rest %}
    {# one label a role, others are skipped #}
    {% if message['role'] == 'user' %}
[question]
{{ message['content'] }}{{ eos_token }}
    {% elif message['role'] == 'assistant' %}
[answer]
{{ message['content'] }}{{ eos_token }}
    {% endif %}
{% endfor %}
{% if add_generation_prompt %}
[answer]
{% endif %}
"""

# All on one line, roles by parity of the index, the system message folded into the first question.
PARITY = (
    "{% set offset = 1 if messages and messages[0]['role'] == 'system' else 0 %}"
    "{% for m in messages[offset:] %}"
    "{% set expected = ['user', 'assistant'][loop.index0 % 2] %}"
    "{% if m['role'] != expected %}"
    "{{ raise_exception('message ' ~ loop.index ~ ' is of ' ~ m['role'] ~ ', expected ' ~ expected) }}"
    "{% endif %}"
    "{% set text = m['content'].strip() %}"
    "{% if loop.first and offset == 1 %}"
    "{% set text = '(' + messages[0]['content'] + ')\\n\\n' + text %}"
    "{% endif %}"
    "{% if expected == 'user' %}{{ bos_token + '[Q] ' + text + ' [/Q]' }}"
    "{% else %}{{ ' ' + text + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)

# A variable for the text of each turn, changed by a later set inside of the loop; a filter within a sum.
HEADERS = (
    "{% for m in messages %}"
    "{% set turn = '<|from|>' + m['role'] + '<|says|>\n\n' + m['content'] | trim + '<|over|>' %}"
    "{% if loop.first %}{% set turn = bos_token + turn %}{% endif %}"
    "{{ turn }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|from|>assistant<|says|>\n\n' }}{% endif %}"
)

# Defaults for what the caller may not define, the date, tools as indented JSON in one of two places, single tool calls.
DATED = r"""{{- bos_token }}
{%- if today is not defined %}
    {%- set today = strftime_now("%d %b %Y") if strftime_now is defined else "unknown" %}
{%- endif %}
{%- set place = tool_place | default("question") %}
{%- set turns = messages %}
{%- set preamble = "" %}
{%- if turns and turns[0]['role'] == 'system' %}
    {%- set preamble = turns[0]['content'] | trim %}
    {%- set turns = turns[1:] %}
{%- endif %}
{%- if place not in ["question", "preamble"] %}
    {{- raise_exception("tool_place is '" + place + "'") }}
{%- endif %}

{%- macro list_tools() %}
    {{- "Functions:\n" }}
    {%- for tool in tools %}
        {{- tool.function | tojson(indent=2) }}
        {{- "\n" if loop.last else ",\n" }}
    {%- endfor %}
{%- endmacro %}

{#- The preamble is always there, if only for the date. -#}
{{- "<|from|>system<|says|>\n\nToday is " ~ today ~ ".\n" }}
{%- if tools is not none and place == "preamble" %}
    {{- list_tools() }}
{%- endif %}
{{- preamble }}
{{- "<|over|>" }}
{%- for m in turns %}
    {%- if 'tool_calls' in m and m.tool_calls %}
        {%- if m.tool_calls | length > 1 %}
            {{- raise_exception("one tool call at a time, not " ~ m.tool_calls | length) }}
        {%- endif %}
        {%- set call = m.tool_calls[0].function %}
        {{- '<|from|>assistant<|says|>\n\n{"call": "' + call.name + '", "with": ' }}
        {{- call.arguments | tojson }}
        {{- "}<|over|>" }}
    {%- elif m.role in ("tool", "function") %}
        {{- "<|from|>machine<|says|>\n\n" }}
        {%- if m.content is mapping or (m.content is iterable and m.content is not string) %}
            {{- m.content | tojson }}
        {%- else %}
            {{- m.content }}
        {%- endif %}
        {{- "<|over|>" }}
    {%- else %}
        {{- "<|from|>" + m['role'] + "<|says|>\n\n" }}
        {%- if loop.first and not tools is none and place == "question" %}
            {{- list_tools() }}
        {%- endif %}
        {{- m['content'] | trim + "<|over|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- "<|from|>assistant<|says|>\n\n" }}
{%- endif %}
"""

# A renamed role, refusal of system messages, the comparison of two comparisons.
RENAMED = (
    "{{ bos_token }}"
    "{% if messages | selectattr('role', 'equalto', 'system') | list %}{{ raise_exception('no system role here') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 is even) %}{{ raise_exception('roles do not alternate') }}{% endif %}"
    "{% set who = {'assistant': 'bot'}.get(m['role'], m['role']) %}"
    "{{ '<turn ' + who + '>\n' + m['content'] | trim + '</turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{'<turn bot>\n'}}{% endif %}"
)

# Content as text or as a list of parts; output with and without minus signs.
PARTS = r"""{{ bos_token }}
{%- set prefix = namespace(text='') -%}
{%- for m in messages -%}
    {%- if m.role == 'system' -%}
        {%- set prefix.text = m.content if m.content is string else m.content[0].text -%}
        {%- continue -%}
    {%- endif -%}
    {{ '<turn ' + ('bot' if m.role == 'assistant' else m.role) + '>\n' }}
    {%- if prefix.text -%}
        {{ prefix.text ~ '\n\n' }}
        {%- set prefix.text = '' -%}
    {%- endif -%}
    {%- if m.content is string -%}
        {{ m.content | trim }}
    {%- elif m.content is iterable -%}
        {%- for part in m.content -%}
            {%- if part['type'] == 'image' -%}
                {{ '<image>' }}
            {%- elif part['type'] == 'text' -%}
                {{ part['text'] | trim }}
            {%- else -%}
                {{ raise_exception('a part of type ' + part['type']) }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception('content is neither text nor parts') }}
    {%- endif -%}
    {{ '</turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<turn bot>\n' }}
{%- endif -%}
"""

# Tools as lines of JSON, tool calls in tags, neighbouring tool results under one turn by looking at the messages around.
RESULTS = r"""{%- macro turn(role, body) %}
    {{- '<|im_start|>' ~ role ~ '\n' ~ body ~ '<|im_end|>\n' }}
{%- endmacro %}
{%- set has_system = messages[0].role == 'system' %}
{%- set system = messages[0].content if has_system else 'Answer the question.' %}
{%- if tools %}
    {%- set system %}
        {{- system }}
        {{- "\n\nReply with {\"use\": <name>, \"input\": <object>} to use one of:\n<available>" }}
        {%- for tool in tools %}
            {{- "\n" ~ (tool | tojson) }}
        {%- endfor %}
        {{- "\n</available>" }}
    {%- endset %}
{%- endif %}
{{- turn('system', system) }}
{%- for m in (messages[1:] if has_system else messages) %}
    {%- if m.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<result>\n' + m.content + '\n</result>' }}
        {%- if loop.last or loop.nextitem.role != "tool" %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- elif m.role == 'assistant' and m.tool_calls %}
        {{- '<|im_start|>assistant' }}
        {%- if m.content %}
            {{- '\n' + m.content }}
        {%- endif %}
        {%- for call in m.tool_calls %}
            {%- if call.function is defined %}
                {%- set call = call.function %}
            {%- endif %}
            {{- '\n<use>\n{"use": "' }}
            {{- call.name }}
            {{- '", "input": ' }}
            {{- call.arguments | tojson }}
            {{- '}\n</use>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- else %}
        {{- turn(m.role, m.content) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""

# Walks backwards to find the last real question, strips the reasoning of the answers before it, a switch for thinking.
THINKING = r"""{%- set state = namespace(searching=true, question=-1) %}
{%- for m in messages[::-1] %}
    {%- if state.searching and m.role == "user" and not (m.content.startswith("<result>") and m.content.endswith("</result>")) %}
        {%- set state.question = messages | length - loop.index %}
        {%- set state.searching = false %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- set body = m.content if m.content is string else '' %}
    {%- set thought = '' %}
    {%- if m.role == 'assistant' and '</think>' in body %}
        {%- set thought = body.split('</think>')[0].split('<think>')[-1].strip('\n') %}
        {%- set body = body.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {{- '<|im_start|>' ~ m.role ~ '\n' }}
    {%- if thought and loop.index0 > state.question %}
        {{- '<think>\n' + thought + '\n</think>\n\n' }}
    {%- endif %}
    {{- body.rstrip() + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if thinking is defined and thinking is false %}
        {{- '<think>\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""

# Filters over the messages, tools before the last question only, identifiers checked, JSON reopened by a slice.
CHECKED = r"""{%- set system = messages | selectattr("role", "equalto", "system") | map(attribute="content") | join("\n") %}
{%- set turns = messages | rejectattr("role", "equalto", "system") | list %}
{%- set questions = turns | selectattr("role", "equalto", "user") | list %}
{%- set count = namespace() %}
{%- set count.spoken = 0 %}
{%- for m in turns %}
    {%- if m.role != "tool" and not (m.tool_calls is defined and m.tool_calls is not none) %}
        {%- if (m.role == "user") != (count.spoken % 2 == 0) %}
            {{- raise_exception("turn " ~ loop.index ~ ": questions and answers must alternate") }}
        {%- endif %}
        {%- set count.spoken = count.spoken + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for m in turns %}
    {%- if m.role == "user" %}
        {%- if tools is not none and m == questions[-1] %}
            {{- "[TOOLS][" }}
            {%- for tool in tools %}
                {{- "{" }}
                {%- for key, value in tool.function.items() if key != "return" %}
                    {{- '"' + key + '": ' }}
                    {{- '"' + value + '"' if value is string else value | tojson }}
                    {{- ", " if not loop.last }}
                {%- endfor %}
                {{- "}" ~ ("" if loop.last else ", ") }}
            {%- endfor %}
            {{- "][/TOOLS]" }}
        {%- endif %}
        {{- "[Q]" ~ (system + "\n\n" if loop.last and system else "") ~ m.content ~ "[/Q]" }}
    {%- elif m.tool_calls is defined and m.tool_calls is not none %}
        {{- "[CALLS][" }}
        {%- for call in m.tool_calls %}
            {%- if call.id is not defined or call.id | length != 9 %}
                {{- raise_exception("a call needs an id of nine characters") }}
            {%- endif %}
            {%- set json = call.function | tojson %}
            {{- json[:-1] + ', "id": "' + call.id + '"}' }}
            {{- "," if not loop.last else "]" + eos_token }}
        {%- endfor %}
    {%- elif m.role == "assistant" %}
        {{- " " + m.content | trim + eos_token }}
    {%- elif m.role == "tool" %}
        {{- '[RESULT]{"content": ' + m.content | string + ', "id": "' + m.tool_call_id + '"}[/RESULT]' }}
    {%- else %}
        {{- raise_exception("no such role: " + m.role) }}
    {%- endif %}
{%- endfor %}
"""

# A namespace of flags in a template without line breaks, defaults set by hand, `is none` for content.
FLAGS = (
    "{% if add_generation_prompt is not defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% set seen = namespace(call=false, open=false, system='') %}"
    "{%- for m in messages if m['role'] == 'system' %}{% set seen.system = seen.system ~ m['content'] %}{%- endfor -%}"
    "{{bos_token}}{{seen.system}}"
    "{%- for m in messages %}"
    "{%- if m['role'] == 'user' %}{%- set seen.open = false -%}{{'<Q>' + m['content']}}"
    "{%- elif m['role'] == 'assistant' and m['content'] is none %}"
    "{%- for call in m['tool_calls'] %}"
    "{%- if not seen.call %}{{'<A><calls>'}}{%- set seen.call = true -%}{%- else %}{{'\\n'}}{%- endif %}"
    "{{call['type'] + ':' + call['function']['name'] + '\\n' + call['function']['arguments']|tojson}}"
    "{%- endfor %}{{'</calls>'}}"
    "{%- elif m['role'] == 'assistant' %}"
    "{% set text = m['content'] %}{% if '</think>' in text %}{% set text = text.split('</think>') | last %}{% endif %}"
    "{{'<A>' + text + eos_token}}"
    "{%- elif m['role'] == 'tool' %}{%- set seen.open = true -%}{{'<output>' + m['content'] + '</output>'}}"
    "{%- endif %}{%- endfor -%}"
    "{% if add_generation_prompt and not seen.open %}{{'<A>'}}{% endif %}"
)

# Macros that call one another: TypeScript-like signatures of tools.
SIGNATURES = r"""{%- macro json_type(spec) -%}
    {%- if spec.enum is defined -%}
        {{- spec.enum | map("tojson") | join(" | ") -}}
    {%- elif spec.type == "integer" or spec.type == "number" -%}
        number
    {%- elif spec.type == "array" -%}
        {{- json_type(spec['items']) }}[]
    {%- else -%}
        {{- spec.type | default("any") -}}
    {%- endif -%}
{%- endmacro -%}
{%- macro signature(tool, indent=0) -%}
    {%- set pad = " " * indent -%}
    {%- set p = tool.function.parameters -%}
    {{ pad }}// {{ tool.function.description }}
{{ pad }}type {{ tool.function.name }} = (_: {
    {%- for name, spec in p.properties.items() %}

{{ pad }}  {{ name }}{{ "" if name in p.required else "?" }}: {{ json_type(spec) }}
    {%- if spec.default is defined %} = {{ spec.default }}{% endif %},
    {%- endfor %}

{{ pad }}}) => any;
{%- endmacro -%}
{%- for message in messages -%}
<|start|>{{ message.role }}<|message|>{{ message.content }}
{%- if loop.first and tools %}

namespace functions {
{% for tool in tools %}{{ signature(tool, indent=2) }}
{% endfor %}
}
{%- endif -%}
<|end|>
{%- endfor -%}
{%- if add_generation_prompt %}<|start|>assistant{% endif %}"""

FORMATS = [
    ("chatml", CHATML, ["user", "turns", "unicode", "empty", "empty_content"], {}),
    ("labels", LABELS, ["user", "turns", "padded"], {"eos_token": "</s>"}),
    ("parity", PARITY, ["user", "turns", "no_system", "padded", "twice", "assistant_first"], LLAMA),
    ("headers", HEADERS, ["system", "turns", "padded"], {"bos_token": "<|begin|>"}),
    ("dated", DATED, ["system", "turns", "tool_use", "two_results"], {"bos_token": "<|begin|>"}),
    ("renamed", RENAMED, ["no_system", "padded", "system", "twice"], {"bos_token": "<bos>"}),
    ("parts", PARTS, ["system", "parts", "turns"], {"bos_token": "<bos>"}),
    ("results", RESULTS, ["user", "turns", "tool_use", "two_results"], {}),
    ("thinking", THINKING, ["turns", "thinking", "tool_use"], {}),
    ("checked", CHECKED, ["turns", "tool_use", "two_results", "twice"], LLAMA),
    ("flags", FLAGS, ["turns", "thinking", "tool_use"], LLAMA),
    ("signatures", SIGNATURES, ["user", "turns"], {}),
]

# ----- one construct each ---------------------------------------------------------------------------------------------

# name, template, messages, variables
CONSTRUCTS = [
    # Output and literals
    ("text", "plain text, { not } a %} tag #}", "empty", {}),
    ("literals", "{{ 1 }} {{ -2 }} {{ 1.5 }} {{ 1e3 }} {{ 1_000 }} {{ 'a' }} {{ \"b\" }} {{ true }} {{ True }} {{ none }} {{ None }}", "empty", {}),
    ("strings", r"""{{ 'it\'s' }}|{{ "\"q\"" }}|{{ 'a\nb\tc\\d' }}|{{ '\u00e9\x41' }}|{{ 'one' 'two' }}""", "empty", {}),
    ("lists", "{{ [1, 'two', none, [3.0, true]] }} {{ [] }} {{ (1, 2) }} {{ (1,) }}", "empty", {}),
    ("dicts", "{{ {'a': 1, \"b\": 'x', 3: [none]} }} {{ {} }}", "empty", {}),
    ("string-repr", r"""{{ ["it's", '"', 'a\nb', 'é', '\\'] }}""", "empty", {}),
    ("undefined-prints-nothing", "[{{ nothing }}]", "empty", {}),
    ("raw", "{% raw %}{{ not evaluated }} {% if %}{% endraw %}", "empty", {}),
    ("comment", "a{# comment {{ x }} {% if %} #}b{#- trimmed -#} c", "empty", {}),
    # Whitespace
    ("trim-blocks", "{% if true %}\nyes\n{% endif %}\nend", "empty", {}),
    ("lstrip-blocks", "a\n  \t{% if true %}\n  b\n  {% endif %}\n  c", "empty", {}),
    ("lstrip-not-after-text", "x {% if true %} y {% endif %} z", "empty", {}),
    ("no-trim-after-output", "{{ 1 }}\n{{ 2 }}\n", "empty", {}),
    ("minus-before", "a \n\t {%- if true %} b {% endif -%} \n c", "empty", {}),
    ("minus-output", " a  {{- ' b ' -}}  c ", "empty", {}),
    ("plus-keeps", "a\n  {%+ if true %}b{% endif +%}\nc", "empty", {}),
    ("comment-lines", "a\n  {# x #}\nb\n{#- y #}\nc", "empty", {}),
    ("crlf", "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc", "empty", {}),
    ("last-newline", "a\n", "empty", {}),
    ("last-newlines", "a\n\n", "empty", {}),
    ("set-line", "{% set x = 1 %}\n{{ x }}\n{% set y = 2 -%}\n\n  {{ y }}", "empty", {}),
    # Access
    ("item", "{{ messages[0]['role'] }} {{ messages[-1].content }} {{ messages[0]['nothing'] }}.", "turns", {}),
    ("item-before-attribute", "{{ {'items': 1}['items'] }} {{ {'items': 1}.items is callable }}", "empty", {}),
    ("slices", "{{ [1,2,3,4,5][1:] }}{{ [1,2,3,4,5][:-1] }}{{ [1,2,3,4,5][::2] }}{{ [1,2,3][::-1] }}{{ 'abcdef'[1:4] }}{{ 'abc'[::-1] }}{{ [1][5:] }}", "empty", {}),
    ("index-string", "{{ 'abc'[0] }}{{ 'abc'[-1] }}", "empty", {}),
    ("out-of-range", "[{{ [1][3] }}]", "empty", {}),
    ("dict-methods", "{% set d = {'b': 1, 'a': 2} %}{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{{ d.keys() | list }}{{ d.values() | list }}{{ d.get('b') }}{{ d.get('x') }}{{ d.get('x', 7) }}", "empty", {}),
    ("undefined-attribute", "{{ nothing.attribute }}", "empty", {}),
    ("none-attribute", "{{ none.attribute.deeper }}", "empty", {}),
    ("undefined-item-of-undefined", "{{ messages[0].x.y }}", "user", {}),
    # Operators
    ("arithmetic", "{{ 7 + 2 }} {{ 7 - 2 }} {{ 7 * 2 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 8 / 2 }} {{ 0.1 + 0.2 }}", "empty", {}),
    ("precedence", "{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ -2 ** 2 }} {{ 2 * 3 ~ 4 }} {{ not true or true }} {{ not (true or true) }} {{ 1 if false else 2 + 3 }}", "empty", {}),
    ("tilde-binds-before-plus", "{{ 2 + 3 ~ 4 }}", "empty", {}),
    ("filter-precedence", "{{ 'a' + ' b ' | trim + 'c' }}|{{ ('a' + ' b ') | trim }}|{{ -1 | abs }}|{{ 'x' ~ 1 | string ~ 'y' }}", "empty", {}),
    ("comparisons", "{{ 1 < 2 }} {{ 1 >= 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ 1 != '1' }} {{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ [1] == [1] }} {{ none == false }}", "empty", {}),
    ("and-or-values", "{{ 0 or 'x' }} {{ '' and 'y' }}| {{ 'a' and 'b' }} {{ none or false }} {{ [] or 'empty' }}", "empty", {}),
    ("truth", "{% for v in [0, 1, '', 'a', [], [0], {}, {'a': 0}, none, true, false, 0.0] %}{{ 'T' if v else 'F' }}{% endfor %}{{ 'T' if nothing else 'F' }}", "empty", {}),
    ("in", "{{ 'a' in 'cat' }} {{ 'x' not in ['x'] }} {{ 'k' in {'k': 1} }} {{ 2 in [1, 2] }} {{ not 'a' in 'b' }}", "empty", {}),
    ("tilde", "{{ 1 ~ 'a' ~ none ~ true ~ 1.0 ~ [1] ~ nothing }}", "empty", {}),
    ("string-operators", "{{ 'ab' * 3 }} {{ 'a' + 'b' }} {{ '%s-%d' % ('x', 3) }}", "empty", {}),
    ("list-plus", "{{ [1] + [2, 3] }}", "empty", {}),
    ("add-mismatch", "{{ 'a' + 1 }}", "empty", {}),
    ("inline-if", "{{ 'yes' if true }}{{ 'no' if false }}|{{ 'a' if false else 'b' if false else 'c' }}", "empty", {}),
    # Statements
    ("if-chain", "{% for m in messages %}{% if m.role == 'user' %}U{% elif m.role == 'system' %}S{% else %}A{% endif %}{% endfor %}", "turns", {}),
    ("loop-variables", "{% for m in messages %}{{ loop.index }},{{ loop.index0 }},{{ loop.revindex }},{{ loop.revindex0 }},{{ loop.first }},{{ loop.last }},{{ loop.length }};{% endfor %}", "no_system", {}),
    ("loop-neighbours", "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined }}<{{ m.role }}>{{ loop.nextitem.role if not loop.last }} {% endfor %}", "no_system", {}),
    ("loop-cycle-changed", "{% for x in [1, 1, 2, 2] %}{{ loop.cycle('a', 'b') }}{{ 'new' if loop.changed(x) }} {% endfor %}", "empty", {}),
    ("loop-if", "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.role }}{% if not loop.last %},{% endif %}{% endfor %}", "turns", {}),
    ("loop-else", "{% for m in messages %}{{ m.role }}{% else %}nobody{% endfor %}", "empty", {}),
    ("loop-nested", "{% for a in [1,2] %}{% set outer = loop %}{% for b in 'xy' %}{{ outer.index }}{{ b }}{{ loop.last }} {% endfor %}{% endfor %}", "empty", {}),
    ("loop-unpack", "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }} {% endfor %}", "empty", {}),
    ("loop-dict-keys", "{% for k in {'x': 1, 'y': 2} %}{{ k }}{% endfor %}", "empty", {}),
    ("loop-range", "{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}{{ range(2, 4) | list }}", "empty", {}),
    ("loop-scope", "{% set x = 1 %}{% for i in [2, 3] %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "empty", {}),
    ("if-scope", "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "empty", {}),
    ("break-continue", "{% for i in range(10) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "empty", {}),
    ("namespace", "{% set ns = namespace(n=0, found=false) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if m.role == 'assistant' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.n }} {{ ns.found }}", "turns", {}),
    ("set-block", "{% set x %}a{{ 1 + 1 }}b{% endset %}{{ x }}{{ x | length }}", "empty", {}),
    ("set-block-filter", "{% set x | upper | trim %} abc {% endset %}[{{ x }}]", "empty", {}),
    ("set-tuple", "{% set a, b = 1, 'two' %}{{ a }}{{ b }}", "empty", {}),
    ("with", "{% with x = 1, y = 2 %}{{ x + y }}{% endwith %}[{{ x }}]", "empty", {}),
    ("filter-block", "{% filter upper %}abc {{ 'd' }}{% endfilter %}", "empty", {}),
    ("macro", "{% macro m(a, b='B', c=none) %}({{ a }},{{ b }},{{ c }}){% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=2, a=1) }}{{ m() }}", "empty", {}),
    ("macro-recursive", "{% macro count(n) %}{{ n }}{% if n > 0 %} {{ count(n - 1) }}{% endif %}{% endmacro %}{{ count(3) }}", "empty", {}),
    ("macro-sees-globals", "{% set x = 1 %}{% macro m() %}{{ x }}{{ messages | length }}{% endmacro %}{{ m() }}", "user", {}),
    ("macro-varargs", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, k=3) }}", "empty", {}),
    ("call-block", "{% macro box(t) %}[{{ t }}:{{ caller() }}]{% endmacro %}{% call box('x') %}in{{ 'side' }}{% endcall %}", "empty", {}),
    ("generation", "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}", "no_system", {}),
    # Tests
    ("is-defined", "{{ messages is defined }}{{ nothing is defined }}{{ nothing is undefined }}{{ messages[0].x is defined }}{{ messages[0].role is not defined }}", "user", {}),
    ("is-types", "{% for v in [none, true, 1, 1.5, 'a', [1], {'a': 1}] %}{{ v is none }} {{ v is boolean }} {{ v is integer }} {{ v is float }} {{ v is number }} {{ v is string }} {{ v is sequence }} {{ v is iterable }} {{ v is mapping }}\n{% endfor %}", "empty", {}),
    ("is-values", "{{ 3 is odd }}{{ 3 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(2) }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ 'a' is lower }}{{ 'A' is upper }}{{ 1 is eq 1 }}{{ 1 is equalto 2 }}{{ 2 is gt 1 }}{{ 2 is in [1, 2] }}{{ 1 is ne 1 }}{{ 1 is sameas 1 }}", "empty", {}),
    ("is-not-precedence", "{{ not messages is none }} {{ messages is not none and 1 }} {{ 1 + 1 is odd }}", "user", {}),
    # Filters
    ("trim", "[{{ messages[0].content | trim }}][{{ 'xxaxx' | trim('x') }}]", "padded", {}),
    ("case", "{{ 'hello World' | upper }}{{ 'Hello World' | lower }}{{ 'hello wORLD' | capitalize }}|{{ \"it's hello-world\" | title }}|{{ 'ß' | upper }}", "empty", {}),
    ("length", "{{ messages | length }} {{ 'äé' | length }} {{ {} | length }} {{ messages | count }}", "turns", {}),
    ("join", "{{ [1, 2, 'x'] | join(', ') }} {{ ['a', 'b'] | join }} {{ messages | join('|', attribute='role') }}", "turns", {}),
    ("default", "{{ nothing | default('d') }} {{ none | default('d') }} {{ none | default('d', true) }} {{ '' | d('e', boolean=true) }} {{ nothing | default }}.", "empty", {}),
    ("first-last", "{{ [1, 2, 3] | first }}{{ [1, 2, 3] | last }}{{ 'abc' | first }}{{ messages | last | length }}", "user", {}),
    ("map", "{{ messages | map(attribute='role') | join(',') }} {{ ['a', 'b'] | map('upper') | list }} {{ [{'a': 1}, {}] | map(attribute='a', default=0) | list }}", "turns", {}),
    ("selectattr", "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', '==', 'user') | map(attribute='role') | list }} {{ [{'a': 1}, {'a': 0}, {}] | selectattr('a') | list }} {{ [{'a': 1}, {}] | selectattr('a', 'defined') | list | length }}", "turns", {}),
    ("select", "{{ [1, 2, 3, 4] | select('even') | list }} {{ [0, 1, none] | select | list }} {{ [1, 2, 3] | reject('gt', 1) | list }}", "empty", {}),
    ("tojson", "{{ messages | tojson }}", "unicode", {}),
    ("tojson-values", "{{ {'a': [1, 2.0, -0.5, 1e100, true, none, 'x\"\\n/<>&\\''], 'b': {}, 'c': []} | tojson }}", "empty", {}),
    ("tojson-indent", "{{ {'a': [1, {'b': []}], 'c': {}} | tojson(indent=2) }} {{ [1, 2] | tojson(indent=4) }}", "empty", {}),
    ("tojson-options", "{{ {'b': 1, 'a': 'é'} | tojson(sort_keys=true) }} {{ {'b': [1, 2]} | tojson(separators=(',', ':')) }} {{ 'é' | tojson(ensure_ascii=true) }}", "empty", {}),
    ("replace", "{{ 'a-b-c' | replace('-', '+') }} {{ 'aaa' | replace('a', 'b', 2) }}", "empty", {}),
    ("sort", "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ [1, 2, 3] | sort(reverse=true) }} {{ messages | sort(attribute='role') | map(attribute='role') | join(' ') }}", "turns", {}),
    ("reverse", "{{ [1, 2, 3] | reverse | list }} {{ 'abc' | reverse }}", "empty", {}),
    ("numbers", "{{ '42' | int + 1 }} {{ 'x' | int }} {{ 'x' | int(default=7) }} {{ '1.5' | float }} {{ 3.7 | int }} {{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ -3 | abs }} {{ [1, 2, 3] | sum }} {{ [3, 1] | min }} {{ [3, 1] | max }}", "empty", {}),
    ("string-filter", "{{ 42 | string + 'x' }} {{ none | string }} {{ [1] | string | length }}", "empty", {}),
    ("list-filter", "{{ 'abc' | list }} {{ {'a': 1, 'b': 2} | list }}", "empty", {}),
    ("items-dictsort", "{% for k, v in {'b': 1, 'a': 2} | items %}{{ k }}{{ v }}{% endfor %} {% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}", "empty", {}),
    ("unique-batch", "{{ messages | map(attribute='role') | unique | list }} {{ [1,2,3,4,5] | batch(2) | list }} {{ [1,2,3,4,5] | slice(2) | list }}", "turns", {}),
    ("groupby", "{% for role, group in messages | groupby('role') %}{{ role }}:{{ group | length }} {% endfor %}", "turns", {}),
    ("indent", "{{ 'a\nb\n\nc' | indent(2) }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\nb' | indent(width='> ', first=true) }}", "empty", {}),
    ("escape", "{{ '<a href=\"x\">&\\'' | e }} {{ '<b>' | escape | safe }}", "empty", {}),
    ("misc-filters", "{{ 'a b  c' | wordcount }} {{ 'abc' | center(7) }}| {{ 'hello world' | truncate(8) }} {{ '%s!' | format('x') }} {{ {'a': 1} | attr('x') }}.", "empty", {}),
    ("chained-filters", "{{ '  a,b  ' | trim | upper | replace(',', ';') | list | join('.') }}", "empty", {}),
    ("unknown-filter", "{{ 'a' | no_such_filter }}", "empty", {}),
    # Methods
    ("strip", "[{{ '  a '.strip() }}][{{ ' a '.lstrip() }}][{{ ' a '.rstrip() }}][{{ 'xyaxy'.strip('xy') }}][{{ '\n\na\n'.lstrip('\n') }}]", "empty", {}),
    ("split", "{{ 'a b  c'.split() }}{{ 'a,b,,c'.split(',') }}{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ 'a\nb\r\nc'.splitlines() }}{{ ''.split() }}{{ ''.split(',') }}{{ 'a::b'.partition('::') }}", "empty", {}),
    ("starts-ends", "{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith('bc') }}{{ 'abc'.startswith(('x', 'a')) }}{{ 'abc'.find('c') }}{{ 'abc'.find('z') }}{{ 'abca'.count('a') }}{{ 'abc'.index('b') }}", "empty", {}),
    ("string-methods", "{{ 'Abc'.upper() }}{{ 'Abc'.lower() }}{{ 'abc'.capitalize() }}{{ 'a b'.title() }}{{ 'a.b'.replace('.', '-') }}{{ ','.join(['x', 'y']) }}{{ '12'.isdigit() }}{{ 'ab'.isalpha() }}{{ ' '.isspace() }}{{ '7'.zfill(3) }}{{ 'x'.ljust(3) }}|{{ '{} {}'.format(1, 'a') }}{{ 'Straße'.upper() }}{{ 'abc'.removeprefix('a') }}{{ 'abc'.removesuffix('c') }}", "empty", {}),
    ("list-append-refused", "{% set x = [1] %}{{ x.append(2) }}", "empty", {}),
    ("unknown-method", "{{ 'a'.no_such_method() }}", "empty", {}),
    # Functions
    ("raise", "{{ raise_exception('Bad role: ' + messages[0].role) }}", "user", {}),
    ("raise-not-reached", "{% if messages[0].role != 'user' %}{{ raise_exception('no') }}{% endif %}ok", "user", {}),
    ("strftime", "{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %B %d, %Y %H:%M:%S') }} {{ strftime_now('%j %y %I %p %a %%') }}", "empty", {}),
    ("dict-function", "{{ dict(a=1, b='x') }}", "empty", {}),
    ("joiner", "{% set c = joiner(', ') %}{% for x in [1, 2, 3] %}{{ c() }}{{ x }}{% endfor %}", "empty", {}),
    ("cycler", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}", "empty", {}),
    ("unknown-function", "{{ no_such_function(1) }}", "empty", {}),
    ("variables", "{{ bos_token }}{{ flag }}{{ extra.depth[1] }}{{ enable_thinking is defined }}", "empty", {"bos_token": "<s>", "flag": True, "extra": {"depth": [1, "two"]}}),
    ("shadowing", "{% set messages = messages[1:] %}{% set bos_token = '' %}{{ messages | length }}[{{ bos_token }}]", "turns", {"bos_token": "<s>"}),
    # Syntax errors
    ("syntax-unclosed-if", "{% if true %}x", "empty", {}),
    ("syntax-unclosed-output", "{{ 1 + }}", "empty", {}),
    ("syntax-unknown-tag", "{% frobnicate %}", "empty", {}),
    ("syntax-end-mismatch", "{% for x in [] %}{% endif %}", "empty", {}),
    ("syntax-unterminated-string", "{{ 'abc }}", "empty", {}),
]


def render(template, messages, tools, variables):
    """The rendered text, or what went wrong: {"expected": text} or {"error": {...}}."""

    def error(kind, exception):
        return {"error": {"kind": kind, "message": str(exception)}}

    try:
        compiled = compile_template(template)
        compiled.globals["strftime_now"] = NOW.strftime
        return {"expected": compiled.render(messages=messages, tools=tools, **variables)}
    except jinja2.TemplateSyntaxError as exception:
        return error("syntax", exception)
    except jinja2.UndefinedError as exception:
        return error("undefined", exception)
    except jinja2.TemplateError as exception:
        return error("raised" if type(exception) is jinja2.TemplateError else "runtime", exception)
    except Exception as exception:  # TypeError and the like, from within the template
        return error("runtime", exception)


def all_cases(smollm2_template):
    for messages in ("user", "system", "turns", "padded", "unicode"):
        yield f"smollm2/{messages}", smollm2_template, messages, None, PROMPT
    yield "smollm2/no-prompt", smollm2_template, "turns", None, {"add_generation_prompt": False}
    for name, template, conversations, variables in FORMATS:
        for messages in conversations:
            yield f"format/{name}/{messages}", template, messages, None, variables | PROMPT
        if "tools" in template:
            longest = "tool_use" if "tool_use" in conversations else conversations[-1]
            yield f"format/{name}/with-tools", template, longest, "weather", variables | PROMPT
            yield f"format/{name}/with-tools-no-prompt", template, conversations[0], "weather", variables
    in_preamble = {"bos_token": "", "tool_place": "preamble", "today": "1 Jan 2030"}
    yield "format/dated/tools-in-preamble", DATED, "turns", "weather", in_preamble
    yield "format/dated/nowhere", DATED, "turns", "weather", in_preamble | {"tool_place": "nowhere"}
    yield "format/thinking/off", THINKING, "no_system", None, PROMPT | {"thinking": False}
    for name, template, messages, variables in CONSTRUCTS:
        yield name, template, messages, None, variables


def main(gguf_path, output):
    smollm2_template = gguf.GGUFReader(gguf_path).get_field("tokenizer.chat_template").contents()
    cases = []
    for name, template, messages, tools, variables in all_cases(smollm2_template):
        given = {"name": name, "template": template, "messages": messages, "tools": tools, "variables": variables}
        cases.append(given | render(template, MESSAGES[messages], TOOLS.get(tools), variables))
    assert len({case["name"] for case in cases}) == len(cases)

    lines = ",\n".join(json.dumps(case) for case in cases)
    head = {"now": NOW.isoformat(), "messages": MESSAGES, "tools": TOOLS}
    head = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    path = output / "chat_template_cases.json"
    path.write_text(f'{{\n{head},\n"cases": [\n{lines}\n]\n}}\n')
    json.loads(path.read_text())
    failing = [case for case in cases if "error" in case]
    print(f"{len(cases)} cases, {len(failing)} of them errors")
    for case in failing:
        print(f"  {case['name']}: {case['error']['kind']}: {case['error']['message']}")


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    main(sys.argv[1], pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else here)
