#!/bin/sh
# From web text to shards, in less than a minute: copy this, and put your own text where the small one is made.
#   sh examples/corpus_from_web_text.sh [DIRECTORY]        (pip install '.[corpus]' first; needs iconv)
set -eu
work=${1:-web-corpus}
mkdir -p "$work/raw"
cd "$work"

# 1. Raw text, as bad as it comes. JSON lines with the same report twice, nearly the same once more, and a page that is
#    all navigation; a forum in GB18030, a post a line, with somebody's telephone number.
cat > raw/news.jsonl <<'END'
{"source": "晚报", "title": "图书馆", "text": "首页 > 新闻 > 正文\n昨天上午，市图书馆新馆正式向读者开放，首日接待读者一万二千多人。新馆共有六层，藏书三百万册，还设有儿童阅览室和古籍展厅。\n责任编辑：王小明"}
{"source": "晨报", "title": "图书馆", "text": "昨天上午，市图书馆新馆正式向读者开放，首日接待读者一万二千多人。新馆共有六层，藏书三百万册，还设有儿童阅览室和古籍展厅。"}
{"source": "晨报", "title": "图书馆", "text": "昨天上午，市图书馆新馆正式对读者开放，第一天接待读者一万二千多人。新馆共有六层，藏书三百万册，还设了儿童阅览室和古籍展厅。"}
{"source": "晚报", "title": "地铁", "text": "地铁五号线将于下月开通试运营，全长三十二公里，共设二十一座车站。早高峰时列车间隔为三分钟，票价从两元到六元不等。"}
{"source": "晚报", "title": "天气", "text": "受冷空气影响，本周气温将明显下降，最低气温约为零下三度。气象台提醒市民注意添衣保暖，路面结冰时尽量少开车。"}
{"source": "晚报", "text": "登录 | 注册 | 帮助\n首页 > 网站地图\n上一篇 下一篇\n扫码关注我们"}
{"source": "晨报", "title": "博物馆", "text": "省博物馆的青铜器特展今天开幕，展出一百二十件商周时期的青铜器，其中十八件是第一次与观众见面。展览将持续到明年三月。"}
END
cat <<'END' | iconv -f UTF-8 -t GB18030 > raw/forum.txt
周末去了新开的图书馆，环境真好，就是人太多，座位要提前在手机上预约。
有没有人知道地铁五号线哪天开通？以后上班就不用换乘了，能省半个小时。
转让九成新自行车一辆，有意者请打我电话13812345678，晚上七点以后在家。
哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈
青铜器特展值得一看，讲解员讲得非常清楚，建议留出三个小时。
天气越来越冷了，大家出门记得多穿一点，路上结冰开车要小心。
END

# 2. Documents. The page, documents/report.html, shows what was left out, and why. Of so few documents two in five have
#    to be held out for one to be there; of a real corpus one in a hundred (the default) is plenty.
erya corpus clean raw --out documents --mask phone --heldout 0.4 --replace

# 3. Parallel pairs are documents of two texts.
cat > pairs.tsv <<'END'
zh	en	source
新馆共有六层，藏书三百万册。	The new building has six floors and three million books.	对照
早高峰时列车间隔为三分钟。	In the morning rush hour there is a train every three minutes.	对照
气温将明显下降，请注意保暖。	Temperatures will fall sharply: keep warm.	对照
END
erya corpus clean pairs.tsv --field zh --pair-field en --out pairs --heldout 0 --replace

# 4. A vocabulary of this text. Of so little text every character is wanted.
erya vocab train documents pairs --size 1000 --min-frequency 1 --out tokenizer --replace

# 5. Shards, in which the pairs have half of the training text, as nearly as whole documents can.
erya corpus tokenize documents pairs --mix-by directory --weight documents=1 --weight pairs=1 \
  --tokenizer tokenizer --out shards --replace
erya info shards
