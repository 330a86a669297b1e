/// What makes the page of ``HTMLReport`` readable: on a screen of any width, by day and by night, and on paper.
enum HTMLAssets {
  static let style: StaticString = """
    :root{--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;--link:#0550ae;--ok:#d7f0dc;--slow:#fff3c4;\
    --drop:#d3e3fd;--bad:#ffd0cc;--skip:#f0f2f4;--wire:#57606a;--mark:#9a3412}
    @media (prefers-color-scheme:dark){:root{--bg:#12161b;--fg:#e6edf3;--dim:#9aa4af;--line:#30363d;--link:#79b8ff;\
    --ok:#1c3b26;--slow:#4a3d10;--drop:#17335c;--bad:#5f1f1c;--skip:#1c2128;--wire:#9aa4af;--mark:#ffb077}}
    *{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
    body{margin:0 auto;max-width:78rem;padding:1rem;background:var(--bg);color:var(--fg);\
    font:16px/1.45 system-ui,sans-serif}
    h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .5rem}
    h3{font-size:1rem;margin:1.2rem 0 .2rem}h4{font-size:.9rem;margin:1rem 0 .2rem}p{margin:.3rem 0}
    a{color:var(--link)}a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);\
    outline-offset:1px}
    .origin{color:var(--dim);font-size:.85rem}ul{margin:.3rem 0;padding-left:1.2rem}
    .found{margin:.3rem 0}.found dt{margin-top:.4rem}.found dd{margin:.1rem 0 .1rem 1.2rem}
    h1,.answer,header p,h3,li{overflow-wrap:anywhere}
    nav{margin:.8rem 0;font-size:.9rem}.files a{display:inline-block;margin-right:.6rem}
    nav input{font:inherit;width:100%;max-width:24rem;padding:.2rem .4rem;color:inherit;background:var(--bg);\
    border:1px solid var(--line);border-radius:4px}
    .g th{background:var(--skip);font-weight:400}.on{color:var(--dim)}[hidden]{display:none!important}
    .note{border-left:4px solid var(--mark);padding-left:.6rem}
    .scroll{overflow-x:auto;max-width:100%}
    table{border-collapse:collapse;font-size:.85rem}
    th,td{border:1px solid var(--line);padding:.15rem .45rem;text-align:left;vertical-align:top}
    th{font-weight:600}th.k{min-width:6.5rem}small{color:var(--dim);font-weight:400}
    td a{display:block;color:inherit;text-decoration:none;min-width:5rem}
    td a:hover{text-decoration:underline}
    .connected,.delivered,.served{background:var(--ok)}.delayed,.unacknowledged,.exhausted{background:var(--slow)}
    .dropped,.lost,.refused{background:var(--drop)}.fail,.error{background:var(--bad)}
    .skip{background:var(--skip);color:var(--dim)}
    .legend span{padding:.1rem .45rem;border:1px solid var(--line);margin-right:.2rem;display:inline-block}
    pre{overflow-x:auto;font-size:.8rem;line-height:1.35}code{font-size:.85rem;overflow-wrap:anywhere}
    .map{content-visibility:auto;contain-intrinsic-size:auto 20rem}
    .case{border:1px solid var(--line);border-radius:6px;margin:.3rem 0;padding:.25rem .6rem;\
    content-visibility:auto;contain-intrinsic-size:auto 2.2rem}
    .case>summary{cursor:pointer;overflow-wrap:anywhere}
    .on{color:var(--dim)}.v{font-weight:600}.v.fail,.v.error{padding:0 .3rem}
    svg{display:block;font:12px ui-monospace,monospace;color:var(--fg)}
    svg text{fill:currentColor}svg .dim{fill:var(--dim)}svg .mark{fill:var(--mark);font-weight:600}
    svg line,svg path{stroke:var(--wire);fill:none}svg .lane{stroke:var(--line)}svg .lost{stroke:var(--mark)}
    svg circle{fill:var(--link)}
    .w td,.w th,.case a,.case p{overflow-wrap:anywhere}.draw svg{max-width:100%;height:auto}
    @media (max-width:45rem){body{padding:.7rem}h1{font-size:1.2rem}.found dd{margin-left:.7rem}
    .map table,.map tbody,.map tr{display:block;border:0}.map thead{display:none}.map .scroll{overflow:visible}
    .map td,.g th{display:inline-block;border:0;overflow-wrap:anywhere;max-width:100%}.g th{display:block}
    .map tr{border-bottom:1px solid var(--line);padding:.15rem 0}.map td[data-a]::before{content:attr(data-a) "=";\
    color:var(--dim)}.map td[data-k]::before{content:attr(data-k) ": "}.map td a{display:inline}
    .map td:empty{display:none}.w{font-size:.75rem}.w td,.w th{padding:.1rem .25rem}
    pre{white-space:pre-wrap;overflow-wrap:anywhere}}
    @media print{body{max-width:none;padding:0;font-size:10pt;background:#fff;color:#000}\
    nav,.legend{display:none}.case:not([open]){display:none}.w tr,.map tr,dd,svg{break-inside:avoid}\
    h2,h3,h4,dt,.g{break-after:avoid}.map,.case{content-visibility:visible}a{color:inherit}\
    .scroll{overflow:visible}table{font-size:8pt;max-width:100%}th.k,td a{min-width:0}\
    th,td{overflow-wrap:anywhere}pre{white-space:pre-wrap;overflow-wrap:anywhere;overflow:visible}}
    """

  static let script: StaticString = """
    'use strict';
    const NS='http://www.w3.org/2000/svg';
    function make(name,at,text){const e=document.createElementNS(NS,name);for(const k in at)e.setAttribute(k,at[k]);\
    if(text!==undefined)e.textContent=text;return e}
    function frame(w,h,label){const s=make('svg',{width:w,height:h,viewBox:`0 0 ${w} ${h}`,role:'img','aria-label':label});\
    return s}
    function wrap(words,n){const lines=[''];for(const w of words.split(' ')){const l=lines.length-1;\
    if(lines[l]&&lines[l].length+w.length+1>n)lines.push(w);else lines[l]+=(lines[l]?' ':'')+w}return lines}
    function ladder(box,W){const d=JSON.parse(box.dataset.ladder),names=d.columns,last=names.length-1;
      const gap=last>1?120:180,text=150+last*gap+16;
      let wide=text;for(const r of d.rows)wide=Math.max(wide,text+(r[5].length+r[6].length+4)*7.3);
      wide=Math.ceil(wide)+10;
      /* Too narrow for one line a packet: what is said of it goes below its arrow, in lines that fit. */
      const low=wide>W,x=names.map((n,i)=>low?34+i*(W-68)/last:150+i*gap),top=26;
      const tall=d.rows.map(r=>{if(!low)return [];const n=Math.max(16,Math.floor((W-12)/7.3));
        return wrap(`${r[0]} ms ${r[1]} ${r[5]}`,n).concat(r[6]?wrap('\\u2190 '+r[6],n):[])});
      let h=top;const at=tall.map(t=>{const y=h;h+=low?t.length*15+24:22;return y});
      const s=frame(low?W:wide,h+(d.more?24:8),'Packets between '+names.join(', '));
      x.forEach((v,i)=>{s.append(make('text',{x:v,y:14,'text-anchor':'middle'},names[i]));\
    s.append(make('line',{x1:v,x2:v,y1:20,y2:h,class:'lane'}))});
      d.rows.forEach((r,i)=>{const y=at[i]+(low?14:10),out=r[3]==='1';
        [...r[2]].forEach((seen,j)=>{if(seen==='0')return;const a=x[j],b=x[j+1], from=out?a:b,to=out?b:a,k=out?-1:1;\
    s.append(make('path',{d:`M${from} ${y}H${to}m${7*k} -4l${-7*k} 4l${7*k} 4`,class:r[6]&&r[4]==='SYN'?'lost':''}));\
    s.append(make('text',{x:(a+b)/2,y:y-3,'text-anchor':'middle'},r[4]))});
        if(low){let marked=false;tall[i].forEach((line,n)=>{marked=marked||line.startsWith('\\u2190');\
    s.append(make('text',{x:6,y:y+14+n*15,class:marked?'mark':'dim'},line))});return}
        s.append(make('text',{x:66,y:y+4,'text-anchor':'end',class:'dim'},r[0]));
        s.append(make('text',{x:74,y:y+4},r[1]));
        const t=make('text',{x:text,y:y+4},r[5]+'  ');if(r[6])t.append(make('tspan',{class:'mark'},'\\u2190 '+r[6]));s.append(t)});
      if(d.more)s.append(make('text',{x:low?6:150,y:h+18,class:'dim'},`${d.more} more packets in the capture`));
      box.append(s)}
    function chart(box,points,line){const W=620,H=220,L=56,B=34,xs=points.map(p=>p[0]),ys=points.map(p=>p[1]);
      const X=Math.max(1,...xs),Y=Math.max(1,...ys),px=v=>L+v/X*(W-L-12),py=v=>H-B-v/Y*(H-B-12);
      const s=frame(W,H,box.dataset.y+' over time');
      for(let i=0;i<=4;i++){const v=Y*i/4,u=X*i/4;s.append(make('line',{x1:L,x2:W-12,y1:py(v),y2:py(v),class:'lane'}));\
    s.append(make('text',{x:L-6,y:py(v)+4,'text-anchor':'end',class:'dim'},v>=10?Math.round(v):v.toFixed(1)));\
    s.append(make('text',{x:px(u),y:H-B+16,'text-anchor':'middle',class:'dim'},(u/1000).toFixed(1)))}
      s.append(make('text',{x:L,y:10,class:'dim'},box.dataset.y));s.append(make('text',{x:W-12,y:H-4,'text-anchor':'end',class:'dim'},'s'));
      if(line)s.append(make('path',{d:'M'+points.map(p=>`${px(p[0])} ${py(p[1])}`).join('L')}));
      else for(const p of points)s.append(make('circle',{cx:px(p[0]),cy:py(p[1]),r:2}));
      box.append(s)}
    /* A sheet of A4 has 717 pixels between its margins, one of Letter 740. */
    function draw(root,width){for(const box of root.querySelectorAll('.draw')){const W=Math.floor(width||box.clientWidth||700);
      if(box.firstChild&&box.drawn===W)continue;box.textContent='';box.drawn=W;
      if(box.dataset.ladder)ladder(box,W);else if(box.dataset.points)chart(box,JSON.parse(box.dataset.points),false);\
    else if(box.dataset.line)chart(box,JSON.parse(box.dataset.line),true)}}
    const all=s=>[...document.querySelectorAll(s)];
    document.addEventListener('toggle',e=>{if(e.target.matches('.case')&&e.target.open)draw(e.target)},true);
    addEventListener('resize',()=>all('.case[open]').forEach(c=>draw(c)));
    function go(){const c=location.hash.startsWith('#c')&&document.getElementById(location.hash.slice(1));if(!c||!c.matches('.case'))return;
      c.hidden=false;c.open=true;draw(c);c.scrollIntoView();c.firstElementChild.focus({preventScroll:true})}
    addEventListener('hashchange',go);
    document.addEventListener('click',e=>{const a=e.target.closest('a[href^="#c"]');if(a&&a.hash===location.hash)go()});
    /* On paper: what somebody has opened, else what is not as expected, else what shows the sentences; all of it. */
    let forPaper=[];
    addEventListener('beforeprint',()=>{let cases=all('.case[open]');
      if(!cases.length)cases=[...new Set([...all('.map td.fail a'),...all('a.proof')].map(a=>document.querySelector(a.hash)))]\
    .filter(c=>c).slice(0,8);
      const more=cases.flatMap(c=>[...c.querySelectorAll('.more')]);
      forPaper=[...cases,...more].filter(d=>!d.open);forPaper.forEach(d=>{d.open=true});cases.forEach(c=>draw(c,680))});
    addEventListener('afterprint',()=>{forPaper.forEach(d=>{d.open=false});forPaper=[];all('.case[open]').forEach(c=>draw(c))});
    addEventListener('DOMContentLoaded',()=>{const box=document.getElementById('find'),f=document.createElement('input');
      f.type='search';f.placeholder='filter: dropped clock=behind ...';f.setAttribute('aria-label','filter cases by words');
      box.append(f);
      f.addEventListener('input',()=>{const words=f.value.toLowerCase().split(/\\s+/).filter(w=>w);
        const fits=t=>words.every(w=>t.toLowerCase().includes(w));
        for(const r of all('.map tbody tr:not(.g)'))r.hidden=!fits([...r.querySelectorAll('a')].map(a=>a.getAttribute('aria-label')).join(' ')+\
    r.closest('section').querySelector('h3').textContent+[...r.cells].map(c=>(c.dataset.a||'').split('.').pop()+'='+c.textContent).join(' '));
        for(const b of all('.map tbody'))b.hidden=!b.querySelector('tr:not(.g):not([hidden])');
        for(const m of all('.map'))m.hidden=!m.querySelector('tbody:not([hidden])');
        for(const c of all('.case'))c.hidden=!fits(c.firstElementChild.textContent)});
      go()});
    """
}
