/// What makes the page of ``HTMLReport`` readable: on a screen of any width, by day and by night, and on paper.
enum HTMLAssets {
  static let style: StaticString = """
    :root{--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;--link:#0550ae;--ok:#d7f0dc;--slow:#fff3c4;\
    --drop:#d3e3fd;--bad:#ffd0cc;--skip:#f0f2f4;--wire:#57606a;--mark:#9a3412}
    @media (prefers-color-scheme:dark){:root{--bg:#12161b;--fg:#e6edf3;--dim:#9aa4af;--line:#30363d;--link:#79b8ff;\
    --ok:#1c3b26;--slow:#4a3d10;--drop:#17335c;--bad:#5f1f1c;--skip:#1c2128;--wire:#9aa4af;--mark:#ffb077}}
    *{box-sizing:border-box}
    body{margin:0 auto;max-width:78rem;padding:1rem;background:var(--bg);color:var(--fg);\
    font:16px/1.45 system-ui,sans-serif}
    h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .5rem}
    h3{font-size:1rem;margin:1.2rem 0 .2rem}h4{font-size:.9rem;margin:1rem 0 .2rem}p{margin:.3rem 0}
    a{color:var(--link)}a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);\
    outline-offset:1px}
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
    @media print{body{max-width:none;font-size:10pt}.case:not([open]){display:none}.case,tr{break-inside:avoid}\
    .map,.case{content-visibility:visible}a{color:inherit}}
    """

  static let script: StaticString = """
    'use strict';
    const NS='http://www.w3.org/2000/svg';
    function make(name,at,text){const e=document.createElementNS(NS,name);for(const k in at)e.setAttribute(k,at[k]);\
    if(text!==undefined)e.textContent=text;return e}
    function frame(w,h,label){const s=make('svg',{width:w,height:h,viewBox:`0 0 ${w} ${h}`,role:'img','aria-label':label});\
    return s}
    function ladder(box){const d=JSON.parse(box.dataset.ladder),step=22,top=26,n=d.rows.length;
      const names=d.columns,x=names.map((n,i)=>150+i*(names.length>2?120:180)),text=x[x.length-1]+16;
      let wide=text;for(const r of d.rows)wide=Math.max(wide,text+(r[5].length+r[6].length+4)*7.3);
      const s=frame(Math.ceil(wide)+10,top+n*step+(d.more?24:8),'Packets between '+names.join(', '));
      x.forEach((v,i)=>{s.append(make('text',{x:v,y:14,'text-anchor':'middle'},names[i]));\
    s.append(make('line',{x1:v,x2:v,y1:20,y2:top+n*step,class:'lane'}))});
      d.rows.forEach((r,i)=>{const y=top+i*step+10,out=r[3]==='1';
        s.append(make('text',{x:66,y:y+4,'text-anchor':'end',class:'dim'},r[0]));
        s.append(make('text',{x:74,y:y+4},r[1]));
        [...r[2]].forEach((seen,j)=>{if(seen==='0')return;const a=x[j],b=x[j+1], from=out?a:b,to=out?b:a,k=out?-1:1;\
    s.append(make('path',{d:`M${from} ${y}H${to}m${7*k} -4l${-7*k} 4l${7*k} 4`,class:r[6]&&r[4]==='SYN'?'lost':''}));\
    s.append(make('text',{x:(a+b)/2,y:y-3,'text-anchor':'middle'},r[4]))});
        const t=make('text',{x:text,y:y+4},r[5]+'  ');if(r[6])t.append(make('tspan',{class:'mark'},'\\u2190 '+r[6]));s.append(t)});
      if(d.more)s.append(make('text',{x:150,y:top+n*step+18,class:'dim'},`${d.more} more packets in the capture`));
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
    function draw(root){for(const box of root.querySelectorAll('.draw')){if(box.firstChild)continue;
      if(box.dataset.ladder)ladder(box);else if(box.dataset.points)chart(box,JSON.parse(box.dataset.points),false);\
    else if(box.dataset.line)chart(box,JSON.parse(box.dataset.line),true)}}
    document.addEventListener('toggle',e=>{if(e.target.matches('.case')&&e.target.open)draw(e.target)},true);
    function go(){const c=location.hash.startsWith('#c')&&document.getElementById(location.hash.slice(1));if(!c)return;
      c.open=true;draw(c);c.scrollIntoView();c.firstElementChild.focus({preventScroll:true})}
    addEventListener('hashchange',go);addEventListener('DOMContentLoaded',go);
    document.addEventListener('click',e=>{const a=e.target.closest('a[href^="#c"]');if(a&&a.hash===location.hash)go()});
    addEventListener('beforeprint',()=>document.querySelectorAll('.case[open]').forEach(draw));
    """
}
