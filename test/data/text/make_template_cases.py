#!/usr/bin/env python3
"""Write template_cases.json: small templates and what Jinja makes of them.

An array of {"template", "output"} or {"template", "error"}; all are rendered with the same variables, which
template_variables.json holds. The environment is that of the transformers library: an immutable sandbox with
trim_blocks, lstrip_blocks, loop controls, the generation tag and its own tojson. Only that there is an error is to be
reproduced, not its words.

Usage: make_template_cases.py     (needs jinja2 3.1; the files are written beside this script)
"""

import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)

# A template a line.
LINES = r"""
{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 1.5 // 0.4 }} {{ -1.5 % 0.4 }}
{{ 1e20 }} {{ 1e16 }} {{ 1e15 }} {{ 0.1 + 0.2 }} {{ 1e-5 }} {{ 0.0001 }} {{ 100.0 }} {{ 1.5e300 * 1e10 }}
{{ true }} {{ none }} {{ [1, 'a', "it's", none, true, 1.0] }} {{ {'a': 1, 'b': [1, 2]} }} {{ (1,) }} {{ (1, 2) }} {{ () }}
{{ 'a' 'b' }} {{ "x\ty\n\\" }} {{ 'é'|length }} {{ "\u00e9\x41\101" }} {{ ['\n', 'a\x00b', '\x7f', 'é', '😀', "a'b\"c"] }}
{{ 'abc'[0] }} {{ 'abc'[-1] }} {{ 'abc'[1:] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[::2] }} {{ [1,2,3,4][1:3] }} {{ [1,2,3][-2:] }} {{ 'héllo'[1:3] }} {{ [1,2,3][5] }} {{ 'abc'[10:] }} {{ [1,2,3,4][3:0:-1] }} {{ [1,2,3][:-1] }}
{{ x }} {{ x is defined }} {{ x.y is defined if x else 'no' }} {{ d.a }} {{ d['a'] }} {{ d.missing }} {{ d.missing is defined }} {{ d.get('z', 5) }} {{ d.get('z') }} {{ d.items() | list }} {{ d.keys() | list }} {{ d.values()|list }}
{{ x.y }}
{{ x + 1 }}
{{ none + 1 }}
{{ 'a' + 1 }}
{{ 'a' ~ 1 ~ none ~ x }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1,2] < [1,3] }} {{ 'a' in 'abc' }} {{ 'z' not in 'abc' }} {{ 1 in [1,2] }} {{ 'a' in d }} {{ 1 in x }}
{{ 1 < 'a' }}
{{ not true }} {{ not x }} {{ true and 'yes' }} {{ false or 'no' }} {{ '' or [] or 'last' }} {{ 1 and 0 }}
{{ 'yes' if true }} {{ 'yes' if false }} {{ 'a' if false else 'b' if false else 'c' }}
{% for i in range(3) %}{{ i }}{{ ',' if not loop.last }}{% endfor %}
{% for i in [] %}x{% else %}empty{% endfor %} {% for i in x %}x{% else %}undefined{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k in d %}{{ k }}{% endfor %} {% for c in 'héy' %}[{{ c }}]{% endfor %}
{% for i in range(5) if i % 2 == 0 %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% endfor %}
{% for i in 'abc' %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('x', 'y') }}{{ loop.depth }}{% for j in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %};{% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% set a = 1 %}{% for i in [1,2] %}{% set a = 2 %}{{ a }}{% endfor %}{{ a }} {% set ns = namespace(x=1, y='q') %}{% for i in [1,2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }} {% if true %}{% set a = 5 %}{% endif %}{{ a }}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set c %}block {{ a }}{% endset %}[{{ c }}] {% set c | upper | trim %} block {% endset %}[{{ c }}] {% set t = 1, 2 %}{{ t }}
{% macro f(a, b=2, c=a) %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(1, c=9) }} {{ f(b=1, a=2) }} {{ f() }}
{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}
{% macro f(a) %}{{ caller(a) if caller else 'none' }}{% endmacro %}{{ f(1) }}{% call(v) f(7) %}<{{ v }}>{% endcall %}
{% macro f(a) %}{{ a }}{{ f(a - 1) if a > 0 }}{% endmacro %}{{ f(3) }}
{{ f }}{% macro g() %}{{ later }}{% endmacro %}{% set later = 'late' %}{{ g() }}
{% set a = 'outer' %}{% macro f() %}{{ a }}{% set a = 'inner' %}{{ a }}{% endmacro %}{{ f() }}{{ a }}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }} {% filter upper %}abc{{ 'd' }}{% endfilter %} {% filter replace('a', 'b') | trim %}  aaa {% endfilter %}
{# comment #}a{#- c -#} b {% raw %}{{ not }} {% if %}{% endraw %} c
  {% if true %}  
  {% endif %}  
{%- if true -%}   z   {%- endif -%}   w
{%+ if true %} kept {% endif +%}
{{- ' a ' -}}   b
  {#- x #}
  {# y #}
c {# d #}
{{ '  abc '|trim }}|{{ 'xxaxx'|trim('x') }}|{{ 'hello world-foo (bar) a\'b'|title }}|{{ 'hello WORLD ß'|upper }}|{{ 'ΑΣ'|lower }}|{{ 'hELLO wORLD'|capitalize }}|{{ "they're bill's 3rd"|title }}
{{ "they're bill's 3rd x".title() }} {{ 'hELLO'.capitalize() }} {{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a b  c '.rsplit(none, 1) }} {{ 'a\nb\r\nc\n'.splitlines() }} {{ 'abc'.find('c') }} {{ 'abc'.find('z') }} {{ 'abcabc'.rfind('b') }} {{ 'abcabc'.count('b') }} {{ 'abc'.index('c') }}
{{ 'abc'.startswith('a') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'xabcx'.strip('x') }} {{ '  a '.lstrip() }}| {{ ' a '.rstrip() }}| {{ 'a-b-c'.replace('-', '+', 1) }} {{ 'ab'.replace('', '.') }} {{ ','.join(['a', 'b']) }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.removeprefix('a').removesuffix('c') }} {{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'a'.center(4) }}|{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '*') }}
{{ '12'.isdigit() }} {{ '1a'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \n'.isspace() }} {{ 'AB'.isupper() }} {{ 'ab1'.islower() }} {{ ''.isdigit() }} {{ '½'.isnumeric() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }}
{{ '{} {1} {0}'.format(1, 2) }}
{{ '{} {}'.format(1, 'b') }} {{ '{0}-{0}-{a}'.format(1, a=2) }} {{ '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:x}|{:*^7}|{{}}|{:+d}'.format('a', 'b', 'c', 42, 3.14159, 255, 'z', 5) }}
{{ '%s is %d years and %.1f%%' % ('x', 3, 2.55) }} {{ '%5s|%-5s|%05d' % ('a', 'b', 42) }} {{ '%(a)s' % {'a': 1} }} {{ '%r' % 'x' }} {{ "%s" | format(7) }}
{{ d|tojson }} {{ [1, 'é', none, true, 1.5, "a\"b\\\n\t\u0001</>&'"]|tojson }} {{ 'x'|tojson }} {{ {'b': 1, 'a': {'c': []}, 'e': {}}|tojson(indent=2) }} {{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }} {{ [1,2]|tojson(separators=(',', ':')) }} {{ 'é😀'|tojson(ensure_ascii=true) }} {{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }} {{ [[], [1]]|tojson(indent=1) }} {{ {'a':1}|tojson(indent='\t') }}
{{ x|tojson }}
{{ f|default('z') }} {{ ''|default('z') }} {{ ''|default('z', true) }} {{ none|d('q') }} {{ none|default('q', boolean=true) }}
{{ [3,1,2]|sort }} {{ ['b','A','c']|sort }} {{ ['b','A','c']|sort(case_sensitive=true) }} {{ [3,1,2]|sort(reverse=true) }} {{ l|sort(attribute='n')|map(attribute='k')|join(',') }} {{ l|map(attribute='k')|list }} {{ l|selectattr('n', 'gt', 1)|map(attribute='k')|list }} {{ l|rejectattr('n', 'equalto', 1)|list|length }} {{ l|selectattr('z')|list }} {{ l|selectattr('k', '==', 'x')|list }} {{ l|map(attribute='q', default='none')|list }}
{{ [1,2,3,4]|select('odd')|list }} {{ [0,1,2]|select|list }} {{ [1,2,3]|reject('divisibleby', 2)|list }} {{ ['a','b']|map('upper')|list }} {{ ['a','bb']|map('replace', 'b', 'c')|join('-') }} {{ [1,2]|map('string')|list }} {{ [1,none]|select('defined')|list }}
{{ [1,2,3]|first }} {{ [1,2,3]|last }} {{ []|first }} {{ []|first is defined }} {{ 'abc'|first }} {{ 'abc'|reverse }} {{ [1,2]|reverse|list }} {{ 'abc'|list }} {{ [1,2,3]|sum }} {{ l|sum(attribute='n') }} {{ [1.5, 2]|sum }} {{ [1,3,2]|max }} {{ ['b','A']|min }} {{ []|max }} {{ l|max(attribute='n') }}
{{ [1,1,2,'a','A']|unique|list }} {{ d|dictsort }} {{ d|dictsort(by='value', reverse=true) }} {{ d|items|list }} {{ [1,2,3,4,5]|batch(2)|list }} {{ [1,2,3]|batch(2, 'x')|list }} {{ l|groupby('n')|list }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb\n\nc'|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ') }}|{{ ''|indent(2, true) }}|
{{ 2.5|round }} {{ 3.5|round }} {{ 2.567|round(2) }} {{ 42|round }} {{ 2.1|round(0, 'ceil') }} {{ 2.9|round(method='floor') }} {{ 1234.5|round(-2) }} {{ 2.675|round(2) }} {{ 0.5|round|int }} {{ -2.5|round }}
{{ '42'|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ '3.9'|int }} {{ 3.9|int }} {{ -3.9|int }} {{ 'ff'|int(base=16) }} {{ ' 12 '|int }} {{ '1.5'|float }} {{ 'z'|float }} {{ 3|float }} {{ -3|abs }} {{ 2.5|abs }} {{ true|int }} {{ none|int }}
{{ 5|string + 'a' }} {{ '<a href="x">\'&'|escape }} {{ '<'|safe }} {{ 'a b  c'|wordcount }} {{ 'abc'|length }} {{ d|length }} {{ d|count }}
{{ 1 is odd }} {{ 2 is even }} {{ 4 is divisibleby 2 }} {{ 4 is divisibleby(3) }} {{ 'a' is string }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ d is mapping }} {{ l is sequence }} {{ d is sequence }} {{ 'a' is sequence }} {{ 1 is iterable }} {{ 'a' is iterable }} {{ none is none }} {{ x is undefined }} {{ 1 is true }} {{ true is true }} {{ false is false }} {{ 1 is eq 1 }} {{ 1 is equalto(2) }} {{ 1 is in [1] }} {{ 'a' is lower }} {{ 'A' is upper }} {{ 1 is not none }} {{ x is not defined }} {{ 1 is sameas 1 }} {{ 1 is ne 2 }} {{ 2 is gt 1 }} {{ 'x' is filter }} {{ 'upper' is filter }} {{ x is sequence }} {{ f is callable }} {{ range is callable }}
{{ range(5)|list }} {{ range(1, 10, 3)|list }} {{ range(5, 0, -2)|list }} {{ range(3)[1] }} {{ range(3)|length }} {{ dict(a=1, b=2) }} {{ dict([('a', 1)]) }}
{{ strftime_now('%Y-%m-%d %H:%M') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %B %d') }}
{{ raise_exception('bad role') }}
{% if x is defined and x.y %}a{% elif d.a == 1 %}b{% else %}c{% endif %} {% if not d.zz %}n{% endif %}
{{ d.a.b.c }}
{{ d.zz.b }}
{{ none.foo }}|{{ (1).foo }}|{{ 'a'.foo }}
{{ none['foo'] is defined }}
{% for i in 5 %}{% endfor %}
{% for i in none %}{% endfor %}
{% for a, b in [[1,2],[3,4]] %}{{ a }}{{ b }}{% endfor %}
{% for a, b in [[1,2,3]] %}{{ a }}{% endfor %}
{{ [1,2].append(3) }}
{{ d.update({'a': 2}) }}
{% set d.a = 2 %}
{{ 'a' * 3 }} {{ [1] * 2 }} {{ 3 * 'b' }} {{ [1] + [2] }} {{ 'a' * -1 }}| {{ (1,2) + (3,) }}
{{ {'a': 1}.a }} {{ {'items': 5}['items'] }} {{ {'x': {'y': [1, {'z': 'deep'}]}}.x.y[1].z }}
{{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 1_000 }} {{ 1_0.5e1_0 }}
{{ {} }} {{ [] }} {{ {'a': {}}['a'] }} {{ {1: 'x'}[1] }} {{ {true: 'x'}[1] }} {{ {'a': 1, 'a': 2} }}
{{ [1, [2, (3, {'k': 'v'})]] }} {{ 'tab\there' }} {{ ['tab\there'] }}
{{ "a" if d.a is defined and d.a else "b" }} {{ d.a is defined and d.a == 1 }} {{ not d.a is none }} {{ d.a is not none and true }}
{{ -2 ** 2 }} {{ (-2) ** 2 }} {{ 2 ** 3 ** 2 }} {{ -5|abs }} {{ 10 - 2 - 3 }} {{ 100 / 10 / 2 }} {{ 1 ~ 2 + 3 }} {{ 'a' ~ 'b' | upper }}
{{ d['a'] if 'a' in d else 'none' }} {{ (d.get('tools') or [])|length }} {{ d.b|map('upper')|join }} {{ loop is defined }}
{% set ns = namespace() %}{{ ns.foo is defined }}{% set ns.foo = 1 %}{{ ns.foo }}{% set ns.foo = ns.foo + 1 %}{{ ns.foo }}
{% set x = namespace(v=[]) %}{% for i in range(3) %}{% set x.v = x.v + [i] %}{% endfor %}{{ x.v }}
{% for m in msgs %}{{ '<|' + m.role + '|>' + m['content'] | trim + '\n' }}{% endfor %}
{% for m in msgs if m.role == 'user' %}{{ loop.index }}{{ m.content }}{% endfor %} {{ msgs[0].role }} {{ msgs[-1]['content'] }} {{ msgs[1:]|length }} {{ (msgs|selectattr('role', 'equalto', 'user')|list)[-1].content }} {{ msgs|map(attribute='role')|unique|join(',') }} {{ msgs | tojson }}
{% set loop_messages = msgs[1:] if msgs[0]['role'] == 'system' else msgs %}{% for m in loop_messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate!') }}{% endif %}{{ m.role }}{% endfor %}
{% generation %}abc{% endgeneration %}d
{% if true %}a{% if false %}b{% else %}c{% endif %}d{% endif %}
{{ [1,2,3] | join(', ') }} {{ [1,none,'a'] | join }} {{ l|join(',', attribute='k') }} {{ 'abc'|join('-') }} {{ d|join(',') }}
{{ 'a\\nb' }} {{ 'it''s' }} {{ "\"q\"" }} {{ '\q' }} {{ '' }}
{{ x.y.z if x is defined else 'safe' }} {{ d.a if d is mapping }} {{ (d.a, d.b) }}
{%- for i in [1,2] %}
- {{ i }}
{%- endfor %}
{%- macro m(x) -%}
  [{{ x }}]
{%- endmacro -%}
{{ m(1) }}
{{ m(2) }}
{{ {'a':[1,2]}['a'][0] }}{{ {'a':{'b':1}}.a.b }}
{{ 'x' if 1 > 2 }}{{ ('a', 'b')[1] }} {{ d.items()|first }} {{ d.items()|list|length }} {{ (d.items()|list)[0][1] }}
{% set content = 'a</think>b' %}{{ content.split('</think>')[-1].lstrip('\n') }} {{ content.split('</think>')[0].rstrip('\n').split('<think>')[-1] }}
{% set m = {'role': 'assistant', 'content': 'x', 'tool_calls': [{'function': {'name': 'f', 'arguments': {'a': 1}}}]} %}{% for t in m.tool_calls %}{% if t.function %}{% set t = t.function %}{% endif %}{{ t.name }}{{ t.arguments|tojson }}{% for k, v in t.arguments|items %}{{ k }}{{ v }}{% endfor %}{% endfor %}
{{ undefined_fn() }}
{{ d() }}
{{ 'a'|nofilter }}
{{ 1 is notest }}
{% foo %}
{% if %}{% endif %}
{% for x in %}{% endfor %}
{{ 1 + }}
{{ (1 }}
{{ 'abc }}
{% if true %}
{{ 1 // 0 }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ range(1000000) }}
{% break %}
{{ [1,2,3]|sort(attribute='x') }}
{{ [1,'a']|sort }}
{% macro f(a, b=1, c) %}{% endmacro %}
{{ d|sort }} {{ d|list }} {{ d|first }} {{ 'b' in d.keys() }}
{{ 'aXbX'.split('X') }} {{ 'abc'.upper().lower() }} {{ '%' }} {{ '100%' }}
{{ 10000000000 * 10 }} {{ 3000000000 }}
{{ 1.0|int }} {{ 1e3|int }} {{ '1e3'|int }} {{ '0x1f'|int(base=16) }} {{ 7.0 }} {{ 7.0|string }} {{ 1.10 }}
{{ loop }}{{ True and False }} {{ None }} {{ None is none }}
{{ 'é'.upper() }} {{ 'ǆ'.title() }} {{ 'ﬁ'.upper() }} {{ 'İ'.lower()|length }} {{ 'ŉ'.capitalize() }}
{% set a = [] %}{% if a %}t{% else %}f{% endif %}{% if {} %}t{% endif %}{% if '0' %}t{% endif %}{% if 0.0 %}t{% endif %}
{{ msgs|length > 1 and msgs[0].role == 'system' }} {{ msgs[0]['role'] in ['system', 'developer'] }} {{ msgs[0].content is string }} {{ msgs[0].content is iterable and msgs[0].content is not string }} {{ msgs[0].get('tool_calls') is none }}
"""

# Templates of several lines.
BLOCKS = [
    "  {% if true %}  \n  x\n  {% endif %}  \ny\n{%- if true -%}   z   {%- endif -%}   w\n{%+ if true %} kept {% endif +%}\nend\n",
    "a {{- ' a ' -}}   b\n  {#- x #}\n  {# y #}\nc {# d #}\ne\n",
    "{%- for i in [1,2] %}\n- {{ i }}\n{%- endfor %}\nend\n{%- macro m(x) -%}\n  [{{ x }}]\n{%- endmacro -%}\n{{ m(1) }}\n{{ m(2) }}\n\n",
    "a\r\nb\r\n{% if true %}\r\nc\r\n{% endif %}\r\n",
    "  {% raw %} x {% endraw %}  \n  {%- raw -%} y {%- endraw -%} z\n{% raw %}\nq\n{% endraw %}\nend",
    "\t{% set x = 1 %}\n  \t {%+ set y = 2 %}\n{{ x }}{{ y }}",
    "a {%- set x = 1 +%}\n b\n\n\n{%- set y=1 %}\n\n  c",
    "{{ 'multi\nline' }}{% set z = 'a\nb' %}\n{{ z\n }}",
]

VARIABLES = {
    "d": {"a": 1, "b": ["p", "q"]},
    "l": [{"n": 2, "k": "x"}, {"n": 1, "k": "y"}, {"n": 3, "k": "z"}],
    "msgs": [
        {"role": "system", "content": " Be nice. "},
        {"role": "user", "content": "Hi é"},
        {"role": "assistant", "content": "Hello\n"},
        {"role": "user", "content": "Bye"},
    ],
}


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def main():
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals.update(raise_exception=raise_exception, strftime_now=NOW.strftime)
    rows = []
    for template in LINES.strip("\n").split("\n") + BLOCKS:
        row = {"template": template}
        try:
            row["output"] = environment.from_string(template).render(**VARIABLES)
        except Exception as error:  # whatever Python raises
            row["error"] = f"{type(error).__name__}: {error}"
        rows.append(json.dumps(row))
    here = pathlib.Path(__file__).resolve().parent
    (here / "template_cases.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")
    (here / "template_variables.json").write_text(json.dumps(VARIABLES, indent=1) + "\n")


if __name__ == "__main__":
    main()
