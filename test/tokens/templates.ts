/** Templates of our own, for comparing engines: small ones that each show one difference, and two whole chat templates. */

/** What the JavaScript engine renders otherwise than Python, or with other scopes; all must come out as in Python. */
export const SNIPPETS: readonly string[] = [
  "{{ text.strip('\\n') }}|{{ text.lstrip('a\\n') }}|{{ text.rstrip(' x') }}",
  "{{ text.strip() }}|{{ text | trim }}|{{ text | trim('\\n ') }}",
  "{{ true | string }} {{ none | string }} {{ 7 | string }}",
  "{{ 1.0 }} {{ 2.5 }} {{ big }} {{ small }} {{ tiny }}",
  "{{ flag }} {{ nothing }} {{ whole }} {{ half }}",
  "{{ list }} {{ plain }} {{ plain | string }}",
  "{{ dict | tojson }} {{ list | tojson(indent=2) }} {{ dict | tojson(sort_keys=true, ensure_ascii=true) }}",
  "{{ dict | tojson(separators=(',', ':')) }}",
  "{{ missing }}[{{ missing | default('d') }}][{{ nothing | default('d') }}][{{ '' | default('d', true) }}]",
  "{% for c in missing %}x{% else %}none{% endfor %}",
  "{{ missing is defined }} {{ missing is none }} {{ missing is string }} {{ missing is iterable }} {{ missing is sequence }}",
  "{{ dict is mapping }} {{ list is sequence }} {{ text is sequence }} {{ dict is sequence }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ half is float }}",
  "{{ dict.items is defined }} {{ dict.title }} {{ dict['items'] }} {{ dict.get('k') }} {{ dict.get('zz') }} {{ dict.get('zz', 5) }}",
  "{% for k, v in plain.items() %}{{ k }}={{ v | string }};{% endfor %}",
  "{% for k, v in dict | items %}{{ k }};{% endfor %}{% for k in dict %}{{ k }},{% endfor %}",
  "{% set x = 1 %}{% for i in [1, 2, 3] %}{% if loop.first %}{% set x = 9 %}{% endif %}{{ x }}{% endfor %}{{ x }}",
  "{% for i in [1, 2] %}{% if i == 1 %}{% set y = i %}{% endif %}{{ y }}{% endfor %}",
  "{% set ns = namespace(n=0, s='') %}{% for i in list %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}{{ ns.zz }}",
  "{% macro m(a, b='q') %}{{ a }}{{ b }}{{ outer }}{% endmacro %}{% set outer = 'O' %}{{ m('1') }}{{ m('1', b='2') }}{% for outer in ['L'] %}{{ m(outer) }}{% endfor %}",
  "{{ text[0] }} {{ text[-1] }} {{ text[1:3] }} {{ text[::-1] }} {{ emoji[0] }} {{ emoji[1:] }} {{ emoji | length }}",
  "{{ list[::-1] }} {{ list[-1] }} {{ list[5] }} {{ list[1:] }} {{ list[:-1] }}",
  "{{ 'a' + 'b' ~ 1 ~ none ~ true }}",
  "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 * 3 + 1 }} {{ 'ab' * 2 }}",
  "{{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }} {{ [1, 2] == [1, 2] }} {{ none == false }} {{ missing == nothing }}",
  "{{ 'a' in text }} {{ 'k' in dict }} {{ 2 in list }} {{ 'x' not in list }} {{ 'x' in missing }}",
  "{{ 'b' < 'a' }} {{ 1 < 2.5 }} {{ emoji > '\uffee' }}",
  "{{ text.split('\\n') | length }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ 'a,b,c'.rsplit(',', 1) }} {{ text.split('</think>')[-1].lstrip('\\n') }}",
  "{{ text.startswith('a') }} {{ text.endswith(('x', 'z')) }} {{ text.replace('a', 'A') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab' | replace('', '-') }}",
  "{{ text.upper() }} {{ text | lower }} {{ '\u00df\u0130' | upper }} {{ 'A\u03a3' | lower }}",
  "{{ list | join('-') }} {{ dicts | join(',', attribute='k') }} {{ list | first }} {{ list | last }} {{ [] | first }}",
  "{{ 'a' if flag }}{{ 'b' if not flag else 'c' }}{{ ('x' if flag else 'y') + 'z' }}",
  "{% for i in list if i is number %}{{ loop.index }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
  "{% for i in list %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% if loop.index == 3 %}{% break %}{% endif %}{% endfor %}",
  "{% for i in [[1, 2], [3, 4]] %}{% for j in i %}{{ loop.depth }}{{ j }}{% endfor %}{{ loop.index0 }}{% endfor %}",
  "{% set a, b = 1, 'x' %}{{ a }}{{ b }}{% set block %}in {{ a }}{% endset %}{{ block }}",
  "{# comment #}\n  {% if flag %}\n  yes\n  {% endif %}\n\n  {{- text }}  \n{%- if flag %} x {%- endif %}\n",
  "a\n{%- set z = 1 -%}\n  b\n    {%- for i in [1] %}\n  c\n    {%- endfor %}\nd\n",
  "{{ range(3) | list }} {% for i in range(1, 6, 2) %}{{ i }}{% endfor %}{% for i in range(3, 0, -1) %}{{ i }}{% endfor %}",
  "{{ -1 }} {{ - whole }} {{ list[whole - 6] }} {{ (whole) - 1 }}",
  "{{ text | safe }}{{ dict | tojson | safe }}",
  "{{ not flag }} {{ flag and text }} {{ nothing or 'else' }} {{ not list or flag }}",
  "{{ {'a': 1, 'b': [true, none]} }} {{ (1, 'x') }} {{ {'q': \"it's\"} }}",
  "line\r\nend{% if flag %}\r\nx{% endif %}",
  "{{ 'x\\ty\\u00e9\\x41' }} {{ 'a' 'b' }} {{ \"q'\" }}",
  "{{ dict | length }} {{ dict.keys() | list }} {{ dict.values() | list | length }}",
  "{{ bos_token }}{{ tools }}{{ documents }}{{ add_generation_prompt }}",
  "{% generation %}a{{ text }}{% set y = 1 %}{% endgeneration %}{{ y is defined }}",
  "{% for x in list %}{% generation %}{{ loop.index }}{{ x }}{% endgeneration %}{% endfor %}",
  "{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 1 == 1.0 == true }} {{ 'a' in 'ab' in ['ab'] }} {{ (1 < 2) == true }}",
  "{{ 2 * 'ab' }} {{ 'ab' * -1 }} {{ [1] * 3 }} {{ 2 * (1, 'x') }} {{ 'ab' * true }}",
  "{{ dicts | selectattr('k', 'string') | list }} {{ dicts | rejectattr('k', 'equalto', '1') | map(attribute='k') | list }}",
  "{{ dicts | selectattr('zz') | list }} {{ list | select('number') | list }} {{ list | reject('none') | list }}",
  "{{ list | select | list }} {{ list | map('string') | join('-') }} {{ dicts | map(attribute='zz', default='d') | list }}",
  "{{ plain | dictsort }} {{ {'b': 1, 'A': 2, 'a': 3} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(true) }}",
  "{{ {'b': 1, 'a': 2} | dictsort(by='value', reverse=true) }} {{ {0: 'x', 12: none, none: 2} }} {{ {0: 1, '0': 2} | tojson }}",
  "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort(reverse=true) }} {{ dicts | sort(attribute='k') }}",
  "{{ [2.5, 1] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true) }} {{ [1, none] | sort }}",
  "{{ ['a', 'A', 'b'] | unique | list }} {{ [1, 1.0, 2] | unique | list }} {{ [3, 1] | min }} {{ [3, 1] | max }} {{ [] | max }}",
  "{{ [1, 2, 3] | sum }} {{ [1.5, 2] | sum(start=1) }} {{ dicts | sum(attribute='n') }}",
  "{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 'x') | list }} {{ [1, 2, 3, 4] | slice(3) | list }}",
  "{% for g in [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}, {'a': 0}] | groupby('a') %}{{ g.grouper }}:{{ g.list | length }};{{ g }}{% endfor %}",
  "{{ 'hello WORLD' | capitalize }} {{ 'hello wORLD-x (y' | title }} {{ 'ab' | center(7) }}| {{ 'a b\nc' | wordcount }}",
  "{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent('> ', blank=true) }}",
  "{{ -3 | abs }} {{ (-2.5) | abs }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 2.1 | round(0, 'ceil') }} {{ 7 | round }}",
  "{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.9 | int }} {{ ' -12 ' | int }} {{ '1.5' | float }} {{ none | float(2.5) }} {{ '1_000' | int }}",
  "{{ '%s is %d, %5.2f|%-5s|%05d' % ('x', 3, 2.345, 'ab', 42) }} {{ '%(a)s' % {'a': none} }} {{ '100%%' % () }}{{ 'x' % missing }}{{ '%s' % missing }}{{ 'x' % [1] }} {{ '%s: %s' | format('a', 1) }}",
  "{{ '{} {}'.format(1, 'x') }} {{ '{0}{1}{0}'.format('a', none) }} {{ '{a:>5}|{b:.2f}|{c:,}'.format(a='x', b=1.005, c=1234567) }} {{ '{!r}'.format('q') }}",
  "{{ 3 / 2 }} {{ 4 / 2 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** 70 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ tiny * 4 }} {{ tiny + 1 }}",
  "{{ (text | safe) + '<x>' }} {{ '<x>' + ('&' | safe) }} {{ ('<' | safe) ~ '<' }} {{ '<' | e }} {{ ('<b>' | e) | upper }} {{ [('a' | safe)] }}",
  "{% for x in (list if flag) %}{{ x }}{% endfor %}{% for x in (list if not flag else []) %}y{% else %}n{% endfor %}",
  "  {% if flag +%}\nx{% endif %}\n  {%+ if flag %}y{% endif %}\n {#+ c +#}\nz",
  "{% raw %}{{ x }}{% y %}{% endraw %}|  {%- raw -%}  {{ z }}  {%- endraw -%}  |\n {% raw %}\n q {% endraw %}\n.",
  "{{ (x | default(' a ')).strip() }}{{ ' a b '.split(none, 1) }}{{ ' a  b c '.rsplit(none, 1) }}{{ ' '.split() }}",
  "{{ [emoji] }} {{ ['\u00a0\u2028\u200b\ud83d\ude00\u4e2d'] }} {{ {'\u00e9': '\\x07'} }}",
  "{{ 4 is divisibleby(2) }} {{ 4 is divisibleby 3 }} {{ 3 is odd }} {{ 3 is even }} {{ 1 is in [1, 2] }} {{ 1 is eq 1.0 }} {{ 2 is gt 1 }} {{ 'a' is lower }}",
  "{{ none is sameas none }} {{ true is sameas true }} {{ missing is callable }} {{ range is callable }} {{ 'a' is not string }} {{ ('a' | safe) is escaped }}",
  "{{ text.__class__ }}{{ text.__class__ is defined }}{{ dict._x is defined }}{{ list.append is defined }}",
  "{% filter upper %}a{{ text }}{% endfilter %}{% set s | trim | upper %}  x {% endset %}{{ s }}|{% filter replace('a', 'b') | indent %}a\na{% endfilter %}",
  "{% macro m(x) %}[{{ caller(x) }}]{% endmacro %}{% call(v) m('q') %}<{{ v }}>{% endcall %}{% macro n() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ n(1, none, k=2) }}",
  "{% with a = 1, b = 'x' %}{{ a }}{{ b }}{% set c = 2 %}{% endwith %}{{ a is defined }}{{ c is defined }}",
  "{% for x in [[1, [2, [3]]], 4] recursive %}{% if x is iterable %}<{{ loop(x) }}>{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
  "{% for x in [1, 2, 2, 3] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{{ loop.revindex }}{{ loop.length }};{% endfor %}",
  "{% for x in [1] %}{% continue %}{% else %}none{% endfor %}{% for x in [1] %}{% break %}{% else %}none{% endfor %}",
  "{% set ns = namespace(n=0) %}{% for x in list if ns.n < 2 %}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}{{ ns }}",
  "{% set ns = namespace({'a': 1}, b=none) %}{% set ns.a, z = 5, 6 %}{{ ns.a }}{{ z }}{{ ns.b }}{{ ns['a'] is defined }}",
  "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{% set c = cycler(1, none) %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ dict(a=1, b=none) }}",
  "{% for k, v in [[1, 2]] %}{{ k }}{{ v }}{% endfor %}{% for (a, b), c in [[[1, 2], 3]] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
  "{% for x in list | map('string') %}{{ loop.last }}{{ loop.length }}{% endfor %}{{ list | reverse | list }}{{ text | reverse }}",
  "{{ plain.items() }} {{ plain.keys() }} {{ plain.values() | list }} {{ range(3) }} {{ range(1, 9, 3)[1] }} {{ range(9)[2:8:2] }}",
  "{{ 'a-b-c'.partition('-') }} {{ 'a-b'.rpartition('x') }} {{ ' a b  c'.rsplit(none, 1) }} {{ 'a\nb\r\nc'.splitlines() }} {{ '7'.zfill(3) }}",
  "{{ 'abc'.find('c') }} {{ 'abc'.index('b') }} {{ 'a1'.isalnum() }} {{ '12'.isdigit() }} {{ 'Ab'.isupper() }} {{ 'x'.center(4, '*') }} {{ 'hello world'.title() }}",
  "{{ list.index(2) }} {{ list.count(1) }} {{ [1, 2] < [1, 3] }} {{ (1, 2) == (1, 2.0) }} {{ (1,) + (2,) }} {{ [1, 2, 3][1:] }} {{ (1, 2, 3)[:2] }}",
  "{{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ dict.get(none) }} {{ none in [none] }} {{ none == none }} {{ [none, true] }} {{ 'x' if none else 'y' }}",
  "{% if flag: %}colon{% endif %}{% print text, 1 %}{{ 0x1F }} {{ 1_000 }} {{ 1e3 }} {{ 0b11 }} {{ 0.5 if false else 1.5e-7 }}",
  "{{ f(*[1, 2]) if false }}{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1], **{'b': none}) }}",
  "{{ '<' | escape }}{{ 'a b/c?' | urlencode }}{{ 'some long text to cut' | truncate(12) }}{{ 'abcdefghijklm' | truncate(5, true, '!', 0) }}",
  "{% for i in [1] %}{{ text }}{% endfor %}{% set text = 1 %}{{ text }}",
  "{% macro f() %}{{ text }}{% endmacro %}{{ f() }}{% set text = 'x' %}{{ f() }}",
  "{% macro f() %}{{ text }}{% endmacro %}{{ f() }}{% if flag %}{% set text = 'x' %}{% endif %}{{ f() }}",
  "{% macro f() %}{{ text }}{% endmacro %}{{ f() }}{% set text = text ~ 'x' %}{{ f() }}",
  "{% for i in [1, 2] %}{% for j in [1] %}{{ text }}{% endfor %}{% set text = i %}{{ text }}{% endfor %}{{ text }}",
  "{{ text }}{% for i in [1, 2] %}{% for j in [1] %}{{ text }}{% endfor %}{% set text = i %}{{ text }}{% endfor %}",
  "{% macro m() %}{% for i in [1] %}{{ text }}{% endfor %}{% set text = 2 %}{% for i in [1] %}{{ text }}{% endfor %}{% endmacro %}{{ m() }}",
  "{% set b = 9 %}{% macro f(a=b, b=a) %}{{ a }}|{{ b }}{% endmacro %}{{ f() }};{{ f(b=1) }};{{ f(2) }}",
  "{% if false %}{{ x | nonsense }}{% endif %}{{ 'ok' }}{{ 'y' | nonsense if false }}",
  "{{ [text, none, {'a': [none]}] | tojson(indent=1) }}{{ {'a': none} | tojson(separators=(',', ':'), indent=none) }}{{ [] | tojson(indent=2) }}",
];

export const VARIABLES = {
  text: "aaa\n b <think>\nc</think>\n\nx \u00a0",
  emoji: "\ud83d\ude00z\u00e9",
  list: [1, 2, "three", null, 2.5],
  dict: { k: "v", items: [1], title: "T", n: { b: 1, a: "\u00e9<>&'\u2028" }, t: true, z: 0.00001 },
  plain: { k: "it's", q: 'say "x"', both: "'\"", l: [1, "\n\\"], n: null },
  dicts: [{ k: "1" }, { k: 2 }],
  flag: true,
  nothing: null,
  whole: 5,
  half: 0.5,
  big: 1e21,
  small: 1.5e-7,
  tiny: 2 ** 60,
};

/** Constructs that this engine lacks: refused by name when the template is compiled or rendered, never guessed. */
export const UNSUPPORTED: readonly (readonly [template: string, name: string])[] = [
  ["{% include 'x' %}", "the tag include"],
  ["{% extends 'x' %}", "the tag extends"],
  ["{% block b %}x{% endblock %}", "the tag block"],
  ["{% autoescape true %}x{% endautoescape %}", "the tag autoescape"],
  ["{{ text | urlize }}", "the filter urlize"],
  ["{{ list | random }}", "the filter random"],
  ["{{ dict | pprint }}", "the filter pprint"],
  ["{{ text | attr('upper') }}", "the filter attr"],
  ["{{ 'upper' is filter }}", "the test filter"],
  ["{{ text.swapcase() }}", "str.swapcase"],
  ["{{ emoji.title() }}", "str.title() of text outside ASCII"],
  ["{{ text.find('a', 2) }}", "find() with a start"],
  ["{{ half ** 2 }}", "a power of floats"],
  ["{{ 2 ** -1 }}", "a power with a negative exponent"],
  ["{{ 10 ** 5000 }}", "whole numbers of more than 4096 bits"],
  ["{{ '%e' % half }}", "%e in %-formatting"],
  ["{{ (text | safe) % 1 }}", "formatting with % after |safe"],
  ["{{ (text | safe).replace('a', 'b') }}", "Markup.replace"],
  ["{{ '{:e}'.format(half) }}", "the format code e"],
  ["{{ {true: 1} }}", "a dict key of type bool"],
  ["{{ list | map('string') }}", "printing a value of type generator"],
  ["{{ text.upper }}", "printing a value of type function"],
  ["{{ loop_free }}{% for x in list %}{{ loop }}{% endfor %}", "printing a value of type LoopContext"],
  ["{{ strftime_now('%Y') }}", "strftime_now"],
  ["{{ lipsum() }}", "the name lipsum"],
  ["{{ self }}", "the name self"],
  ["{{ whole.real }}", "int.real"],
  ["{{ ['\u{1fae8}'] }}", "U+1FAE8"],
];

/** What jinja2 itself cannot compile, with the line of the mistake. */
export const MISTAKES: readonly (readonly [template: string, message: string])[] = [
  ["a\n{% if x %}b", "the template ends where 'elif' or 'else' or 'endif' was expected (line 2 of the template)"],
  ["{{ x", "expected variable end, got the end of the template"],
  ["\n\n{{ x | nonsense }}", "no filter named 'nonsense' (line 3 of the template)"],
  ["{{ x is nonsense }}", "no test named 'nonsense'"],
  ["{% nonsense %}", "unknown tag 'nonsense'"],
  ["{% do list.append(1) %}", "unknown tag 'do'"],
  ["{{ (x] }}", "unexpected ']', expected ')'"],
  ["{{ x ? y }}", "unexpected character '?'"],
  ["{% break %}", "'break' outside a loop"],
  ["{% for x in y %}{% macro m() %}{% continue %}{% endmacro %}{% endfor %}", "'continue' outside a loop"],
  ["{% set true = 1 %}", "cannot assign to 'true'"],
  ["{{ f(a=1, 2) }}", "this argument is not allowed after keyword or starred arguments"],
  ["{# never closed", "a comment has no end tag"],
  ["{% raw %}never closed", "a raw block has no end tag"],
  ["{% for x, in y %}{% endfor %}", "expected 'in', got 'y'"],
  ["{{ x | default('').strip() }}", "expected variable end, got '.'"],
  ["{{ '\\x4' }}", "a string has the incomplete escape"],
];

/**
 * Has what Qwen3-VL-Instruct's template has: text between tags that trim on one side only, counters of pictures and
 * videos with optional labels, tools in the system turn, calls as JSON, results joined into one user turn.
 */
export const INSTRUCT_TEMPLATE = `{%- set seen = namespace(images=0, videos=0) %}
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {%- if messages[0].content is string %}
            {{- messages[0].content }}
        {%- else %}
            {%- for part in messages[0].content %}{% if 'text' in part %}{{ part.text }}{% endif %}{% endfor %}
        {%- endif %}
        {{- '\\n\\n' }}
    {%- endif %}
    {{- 'Functions:' }}
    {%- for tool in tools %}
        {{- '\\n' }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '\\nCall with {"name": NAME, "arguments": JSON}<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or message.role == 'tool' %}
        {%- if message.role == 'user' or loop.first or messages[loop.index0 - 1].role != 'tool' %}
            {{- '<|im_start|>user' + ('\\n' if message.role == 'user' else '') }}
        {%- endif %}
        {%- if message.role == 'tool' %}{{ '\\n<tool_response>\\n' }}{% endif %}
        {%- if message.content is string %}
            {{- message.content }}
        {%- else %}
            {%- for part in message.content %}
                {%- if part.type == 'image' or 'image' in part or 'image_url' in part %}
                    {%- set seen.images = seen.images + 1 %}
                    {%- if add_vision_id %}Figure {{ seen.images }}: {% endif -%}
                    <|vision_start|><|image_pad|><|vision_end|>
                {%- elif part.type == 'video' or 'video' in part %}
                    {%- set seen.videos = seen.videos + 1 %}
                    {%- if add_vision_id %}Clip {{ seen.videos }}: {% endif -%}
                    <|vision_start|><|video_pad|><|vision_end|>
                {%- elif 'text' in part %}
                    {{- part.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {%- if message.role == 'tool' %}{{ '\\n</tool_response>' }}{% endif %}
        {%- if message.role == 'user' or loop.last or messages[loop.index0 + 1].role != 'tool' %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content }}
        {%- for call in message.tool_calls or [] %}
            {%- if (loop.first and message.content) or (not loop.first) %}{{ '\\n' }}{% endif %}
            {%- if call.function %}{% set call = call.function %}{% endif %}
            {{- '<tool_call>\\n{"name": "' }}
            {{- call.name }}
            {{- '", "arguments": ' }}
            {%- if call.arguments is string %}
                {{- call.arguments }}
            {%- else %}
                {{- call.arguments | tojson }}
            {%- endif %}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
`;

/**
 * Has what Qwen3.5's and Qwen3-VL-Thinking's templates have: a macro with default arguments and counters, refusals
 * (pictures in the system turn, no question, a second system turn), reasoning left out before the last question that
 * is no tool result, calls as nested tags with values by kind, and an empty thought where thinking is off.
 */
export const THINKING_TEMPLATE = `{%- set marks = namespace(image=0, video=0, last=-1) %}
{%- macro body(content, count, inside_system=false) %}
  {%- if content is string %}
    {{- content }}
  {%- elif content is iterable and content is not mapping %}
    {%- for part in content %}
      {%- if 'image' in part or 'image_url' in part or part.type == 'image' %}
        {%- if inside_system %}{{- raise_exception('a picture in the system turn') }}{% endif %}
        {%- if count %}{% set marks.image = marks.image + 1 %}{% endif %}
        {%- if add_vision_id %}{{- 'Figure ' ~ marks.image ~ ': ' }}{% endif %}
        {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
      {%- elif 'video' in part or part.type == 'video' %}
        {%- if count %}{% set marks.video = marks.video + 1 %}{% endif %}
        {%- if add_vision_id %}{{- 'Clip ' ~ marks.video ~ ': ' }}{% endif %}
        {{- '<|vision_start|><|video_pad|><|vision_end|>' }}
      {%- elif 'text' in part %}
        {{- part.text }}
      {%- endif %}
    {%- endfor %}
  {%- elif content is not none and content is defined %}
    {{- raise_exception('content of an unknown kind') }}
  {%- endif %}
{%- endmacro %}
{%- if not messages %}{{- raise_exception('no messages') }}{% endif %}
{%- if tools and tools is iterable and tools is not mapping %}
  {{- '<|im_start|>system\\n# Functions\\n' }}
  {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{% endfor %}
  {%- if messages[0].role == 'system' %}
    {%- set text = body(messages[0].content, false, true) | trim %}
    {%- if text %}{{- '\\n\\n' + text }}{% endif %}
  {%- endif %}
  {{- '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
  {{- '<|im_start|>system\\n' + (body(messages[0].content, false, true) | trim) + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages[::-1] %}
  {%- set at = messages | length - 1 - loop.index0 %}
  {%- if marks.last < 0 and message.role == 'user' and not (body(message.content, false) | trim).startswith('<tool_response>') %}
    {%- set marks.last = at %}
  {%- endif %}
{%- endfor %}
{%- if marks.last < 0 %}{{- raise_exception('no question') }}{% endif %}
{%- for message in messages %}
  {%- set text = body(message.content, true) | trim %}
  {%- if message.role == 'assistant' %}
    {%- set thought = '' %}
    {%- if message.reasoning_content is string %}
      {%- set thought = message.reasoning_content %}
    {%- elif '</think>' in text %}
      {%- set thought = text.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
      {%- set text = text.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {%- if loop.index0 > marks.last %}
      {{- '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + text }}
    {%- else %}
      {{- '<|im_start|>assistant\\n' + text }}
    {%- endif %}
    {%- if message.tool_calls %}
      {%- for call in message.tool_calls %}
        {%- set call = call.function if call.function is defined else call %}
        {{- ('\\n\\n' if loop.first and text else '\\n') + '<tool_call>\\n<function=' + call.name + '>\\n' }}
        {%- for name, value in call.arguments | items %}
          {{- '<parameter=' + name + '>\\n' }}
          {%- set shown = value | tojson | safe if value is mapping or (value is sequence and value is not string) else value | string %}
          {{- shown }}
          {{- '\\n</parameter>\\n' }}
        {%- endfor %}
        {{- '</function>\\n</tool_call>' }}
      {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
  {%- elif message.role == 'tool' %}
    {%- if loop.previtem and loop.previtem.role != 'tool' %}{{- '<|im_start|>user' }}{% endif %}
    {{- '\\n<tool_response>\\n' + text + '\\n</tool_response>' }}
    {%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|im_end|>\\n' }}{% endif %}
  {%- elif message.role == 'system' %}
    {%- if not loop.first %}{{- raise_exception('a second system turn') }}{% endif %}
  {%- elif message.role == 'user' %}
    {{- '<|im_start|>' + message.role + '\\n' + text + '<|im_end|>\\n' }}
  {%- else %}
    {{- raise_exception('an unknown role') }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\\n' }}
  {{- '<think>\\n\\n</think>\\n\\n' if enable_thinking is defined and enable_thinking is false else '<think>\\n' }}
{%- endif %}
`;
