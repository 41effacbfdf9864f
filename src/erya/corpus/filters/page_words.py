"""Words by which lines that are not text are recognised: menus, buttons, how notices begin."""

from __future__ import annotations

_MENU = """
首页 主页 网站首页 新闻 资讯 体育 娱乐 财经 科技 汽车 房产 教育 军事 时尚 健康 旅游 游戏 视频 图片 图库
博客 论坛 微博 社区 直播 专题 文化 历史 国际 国内 社会 评论 滚动 股票 基金 彩票 读书 女性 母婴 美食
星座 音乐 电影 电视剧 综艺 动漫 商城 购物 团购 招聘 求职 地图 天气 邮箱 搜索 贴吧 问答 知道 百科 文库
下载 手机版 电脑版 客户端 APP 登录 登陆 注册 免费注册 立即注册 忘记密码 找回密码 退出 注销 个人中心
会员中心 我的账户 购物车 收藏 收藏本站 关于我们 联系我们 联系方式 加入我们 诚聘英才 人才招聘 广告服务
广告合作 商务合作 友情链接 网站地图 站点地图 法律声明 免责声明 隐私政策 隐私声明 服务条款 用户协议
版权声明 帮助中心 帮助 意见反馈 投诉建议 举报 客服中心 公司简介 企业文化 产品中心 产品展示 新闻中心
新闻动态 成功案例 在线留言 在线客服 解决方案 技术支持 服务支持 上一页 下一页 上一篇 下一篇 末页 尾页
返回顶部 返回列表 打印 打印本页 关闭 关闭窗口 字号 字体 分享 分享到 点赞 转发 更多 更多>> English 繁體
繁体 简体 中文 中文版 英文版 QQ空间 新浪微博 腾讯微博 微信 人人网 朋友圈
"""
_BUTTONS = """
设为首页 加入收藏 收藏本站 网站地图 站点地图 返回顶部 回到顶部 返回首页 返回列表 返回目录 打印本页
关闭窗口 关闭本页 免费注册 立即注册 忘记密码 找回密码 上一页 下一页 上一篇 下一篇 上一章 下一章
阅读全文 查看全文 展开全文 阅读原文 查看原文 查看更多 加载更多 点击加载更多 查看详情 了解更多 点击查看
点击进入 点击下载 立即下载 显示全部 展开全部 收起全部 更多>> 更多> 更多精彩 更多内容 相关阅读 相关推荐
相关新闻 相关文章 热门推荐 推荐阅读 猜你喜欢 热点推荐 为你推荐 精彩推荐 延伸阅读 分享到 友情链接 广告
暂无评论 发表评论 我要评论 网友评论 最新评论 查看评论 跟帖 复制链接 扫码分享 正在加载 加载中 页面加载中
请稍候 登录/注册
"""
_BEGINNINGS = """
co Co CO (c (C 版权 本文 本站 特别 免责 郑重 声明 责任 责编 网络 值班 实习 视频 文字 本期 原标 编辑
校对 审核 审校 监制 排版 编审 点击 查看 阅读 展开 加载 了解 浏览 上一 下一 微信 欢迎 快来 请关 记得
搜索 分享 字号 字体 您的 您现 您当 你的 你现 当前 现在 所在 位置 首页 主页 网站 Ho ho HO
"""
_HINTS = """
http https ftp www 版权所有 reserved icp备 icp证 公网安备 转载 二维码 扫码 小程序码 的浏览器 首页 登录
注册 财经 体育 娱乐 房产 论坛 博客 关于我们 联系我们 友情链接 网站地图 产品展示 公司简介 收藏 上一页
打印 举报
"""
_SWITCHES = (
    "启用",
    "开启",
    "打开",
    "允许",
    "使用",
    "enable ",
    "turn on ",
    "require ",
    "requires ",
    "use ",
    "uses ",
)
_SWITCHED = ("javascript", "cookie", "cookies", " javascript", " cookie", " cookies")

# One alone may be a heading of the text; a line of several is a menu.
MENU: frozenset[str] = frozenset(_MENU.split())
# No heading consists of one of these.
BUTTONS: frozenset[str] = frozenset(_BUTTONS.split())
# A line that is no text begins so (after brackets and arrows), holds one of the hints or is a menu.
BEGINNINGS: frozenset[str] = (
    frozenset(_BEGINNINGS.split()) | {"© ", "©2", "©1"} | {word[:2] for word in BUTTONS}
)
HINTS: tuple[str, ...] = (*_HINTS.split(), *(verb + what for verb in _SWITCHES for what in _SWITCHED))
